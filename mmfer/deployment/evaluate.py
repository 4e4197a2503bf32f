# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
from numbers import Real

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Subset

from mmfer.registry import DATASETS

from .load import spread


def evaluate(model: BaseModel, cfg: Config, num: int | None = None) -> tuple[dict[str, float], int]:
    """Evaluate a model in any form, by the metrics of a config's test set.

    Args:
        model: What answers ``test_step``, such as an :class:`.ExportedModel`.
        cfg: The config; its test set must be there.
        num: How many images, spread evenly over the set. Defaults to all.

    Returns:
        The metrics that are numbers; and of how many images.

    Raises:
        FileNotFoundError: The test set is not there.
        ValueError: The config has no test set.
    """
    loader = cfg.get('test_dataloader')
    if not loader or not cfg.get('test_evaluator'):
        raise ValueError('the config has no test_dataloader with a test_evaluator')
    dataset = DATASETS.build(loader.dataset)
    indices = spread(len(dataset), num)
    settings = dict(
        loader,
        dataset=Subset(dataset, indices),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_sampler=None,
        drop_last=False,
        num_workers=0,
        persistent_workers=False,
        collate_fn=dict(type='default_collate'),
    )
    evaluator = Evaluator(copy.deepcopy(cfg.test_evaluator))
    evaluator.dataset_meta = dataset.metainfo
    # As mmengine's TestLoop, which needs a runner with its log files and hooks around it.
    for batch in Runner.build_dataloader(settings):
        evaluator.process(model.test_step(batch), batch)
    metrics = evaluator.evaluate(len(indices))
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, Real)}
    return numbers, len(indices)
