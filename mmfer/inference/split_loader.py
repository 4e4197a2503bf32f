# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Subset

from mmfer.registry import DATASETS

SPLITS = ('test', 'val', 'train')


def build_split_loader(cfg: Config, split: str = 'test', num: int | None = None) -> DataLoader:
    """Build the data loader of a split, in the order of the dataset.

    Args:
        cfg (Config): The whole config; its default scope must be set already.
        split (str): ``'test'`` (default), ``'val'`` or ``'train'``, the last with its augmentation.
        num (int, optional): Number of images, spread evenly over the split. Defaults to all.

    Returns:
        A loader over a :class:`~torch.utils.data.Subset` of the config's dataset.

    Raises:
        ValueError: The config does not have this split.
    """
    loader = cfg.get(f'{split}_dataloader') if split in SPLITS else None
    if loader is None:
        found = [name for name in SPLITS if cfg.get(f'{name}_dataloader')]
        raise ValueError(f'the config has no split {split!r}, only {found}')
    dataset = DATASETS.build(loader.dataset)
    settings = dict(
        loader,
        dataset=Subset(dataset, spread(len(dataset), num)),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_sampler=None,
        drop_last=False,
    )
    settings.setdefault('collate_fn', dict(type='default_collate'))
    return Runner.build_dataloader(settings)


def spread(total: int, num: int | None = None) -> list[int]:
    """Return ``num`` evenly spaced indices below ``total``, at most ``total``. Defaults to all."""
    num = total if num is None else min(num, total)
    return np.linspace(0, total - 1, num).round().astype(int).tolist()
