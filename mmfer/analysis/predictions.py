# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a trained model makes of the pictures of a split: for plots and tables after training."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.utils.data import Subset

from mmfer.engine.launch import load_config
from mmfer.inference.load_model import load_model
from mmfer.models.layers.feature_tokens import pool_feature
from mmfer.registry import DATASETS
from mmfer.utils.config_options import parse_options

SPLITS = ('test', 'val', 'train')


@dataclass
class Prediction:
    """One picture and what a model made of it.

    Attributes:
        index: Its number in the dataset.
        image: What went into the network, RGB ``(H, W, 3)``, uint8.
        sample: Labels and predictions, on the CPU.
        encoded: Feature ``(C,)`` of the backbone alone, averaged over all places.
        adapted: Feature ``(C,)`` that the head got, which differs from the former where the neck
            does more than pooling.
    """

    index: int
    image: np.ndarray
    sample: DataSample
    encoded: np.ndarray
    adapted: np.ndarray


class Predictor:
    """A trained model and a split of its data.

    Args:
        model: In eval mode.
        cfg: The whole config; the split's data loader says how pictures are prepared.
        split: ``'test'`` (default), ``'val'`` or ``'train'``, the latter with its augmentation.

    Raises:
        ValueError: There is no such split in the config.
    """

    def __init__(self, model: ImageClassifier, cfg: Config, split: str = 'test'):
        loader = cfg.get(f'{split}_dataloader') if split in SPLITS else None
        if loader is None:
            found = [name for name in SPLITS if cfg.get(f'{name}_dataloader')]
            raise ValueError(f'the config has no split {split!r}, only {found}')
        self.model = model
        self.loader = loader
        self.dataset = DATASETS.build(loader.dataset)

    @classmethod
    def from_files(
        cls,
        config: str,
        checkpoint: str,
        split: str = 'test',
        cfg_options: Iterable[str] = (),
        device: str = 'cpu',
    ) -> 'Predictor':
        """Build the model of a config and load a checkpoint into it.

        Raises:
            FileNotFoundError: There is no such config or checkpoint.
            ValueError: The checkpoint is one of another model, or there is no such split.
        """
        cfg = load_config(config, parse_options(cfg_options))
        init_default_scope(cfg.get('default_scope', 'mmfer'))
        model, _ = load_model(cfg, checkpoint, device)
        return cls(model, cfg, split)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty for tasks that have none."""
        return tuple(map(str, self.dataset.metainfo.get('classes') or ()))

    def run(self, num: int | None = None, fields: Iterable[str] = ()) -> Iterator[Prediction]:
        """Predict batch by batch.

        Args:
            num: How many pictures, spread evenly over the split. Default: all.
            fields: What the caller will read of every sample, such as ``'gt_age'``.

        Yields:
            Prediction: In the dataset's order.

        Raises:
            ValueError: A sample lacks one of the fields.
        """
        total = len(self.dataset)
        indices = np.arange(total)
        if num is not None and num < total:
            indices = np.linspace(0, total - 1, num).round().astype(int)
        indices = indices.tolist()
        settings = dict(
            self.loader,
            dataset=Subset(self.dataset, indices),
            sampler=dict(type='DefaultSampler', shuffle=False),
            batch_sampler=None,
            drop_last=False,
        )
        start = 0
        for batch in Runner.build_dataloader(settings):
            predictions = self._predict(batch, indices[start:])
            start += len(predictions)
            for prediction in predictions:
                _require(prediction.sample, fields)
                yield prediction

    @torch.no_grad()
    def _predict(self, batch: dict, indices: list[int]) -> list[Prediction]:
        images = batch['inputs']
        data = self.model.data_preprocessor(batch, training=False)
        maps = self.model.extract_feat(data['inputs'], stage='backbone')
        feats = self.model.neck(maps) if self.model.with_neck else maps
        samples = self.model.head.predict(feats, data['data_samples'])
        encoded, adapted = (pool_feature(x).float().cpu().numpy() for x in (maps, feats))
        rows = zip(images, samples, encoded, adapted, strict=True)
        return [
            Prediction(index, to_rgb(image), sample.cpu(), before, after)
            for index, (image, sample, before, after) in zip(indices, rows, strict=False)
        ]


def _require(sample: DataSample, fields: Iterable[str]) -> None:
    for field in fields:
        if field in sample:
            continue
        remedy = 'the config is one of another task'
        if not field.startswith('pred_'):
            remedy = f"pack it with dict(type='PackInputs', algorithm_keys=('{field}',))"
        raise ValueError(
            f'this needs {field}, and the sample {sample.get("img_path", "without img_path")} has '
            f'none after prediction: {remedy}'
        )


def to_rgb(image: Tensor) -> np.ndarray:
    """A packed BGR picture ``(3, H, W)`` as RGB ``(H, W, 3)``, uint8."""
    return image.flip(0).permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
