# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
from numbers import Real

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel

from mmfer.inference.split_loader import build_split_loader


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
    images = build_split_loader(cfg, 'test', num)
    evaluator = Evaluator(copy.deepcopy(cfg.test_evaluator))
    evaluator.dataset_meta = images.dataset.dataset.metainfo
    # As mmengine's TestLoop, which needs a runner with its log files and hooks around it.
    for batch in images:
        evaluator.process(model.test_step(batch), batch)
    metrics = evaluator.evaluate(len(images.dataset))
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, Real)}
    return numbers, len(images.dataset)
