# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The metrics of a config's test set, of a model in any form."""

import copy
from collections.abc import Callable, Mapping
from numbers import Real

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import Subset

from mmfer.registry import DATASETS

from .outputs import store_outputs

Answers = Callable[[Tensor], Mapping[str, Tensor]]


def evaluate_variants(
    cfg: Config, variants: Mapping[str, Answers], num: int | None = None
) -> tuple[dict[str, dict[str, float]], int]:
    """Evaluate several forms of a model with the config's test metrics, in one pass.

    Args:
        cfg: The config; its test set must be there.
        variants: By name, what gives :func:`.compute_outputs` for uint8 BGR pictures
            ``(B, 3, H, W)``.
        num: How many pictures, spread evenly over the set. Default: all.

    Returns:
        By variant, the metrics that are numbers; and of how many pictures.

    Raises:
        FileNotFoundError: The test set is not there.
        ValueError: The config has no test set.
    """
    loader = cfg.get('test_dataloader')
    if not loader or not cfg.get('test_evaluator'):
        raise ValueError('the config has no test_dataloader with a test_evaluator')
    dataset = DATASETS.build(loader.dataset)
    total = len(dataset)
    count = total if num is None else min(num, total)
    indices = np.linspace(0, total - 1, count).round().astype(int).tolist()
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
    evaluators = {name: Evaluator(copy.deepcopy(cfg.test_evaluator)) for name in variants}
    for evaluator in evaluators.values():
        evaluator.dataset_meta = dataset.metainfo
    for batch in Runner.build_dataloader(settings):
        for name, answers in variants.items():
            samples = copy.deepcopy(batch['data_samples'])
            store_outputs(answers(batch['inputs']), samples)
            evaluators[name].process(samples, batch)
    found = {name: evaluator.evaluate(count) for name, evaluator in evaluators.items()}
    numbers = {
        name: {key: float(value) for key, value in values.items() if isinstance(value, Real)}
        for name, values in found.items()
    }
    return numbers, count
