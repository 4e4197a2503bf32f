# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Variants of models against each other: inference, training steps, memory."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.deployment.untrained import shake_weights
from mmfer.inference.load_model import build_model
from mmfer.utils.picture_size import picture_size

from .memory import peak_memory
from .timing import CLOCKS, Measurement, interleave
from .variants import UnavailableError, make_variant


def random_model(cfg: Config, device: str = 'cpu', seed: int = 0) -> ImageClassifier:
    """The model of a config in eval mode, with random weights and no weight at rest.

    Time does not depend on weights, so that no checkpoint is needed. Files that the config names
    are not read.
    """
    cfg = copy.deepcopy(cfg)
    _forget_files(cfg.model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(cfg)
    shake_weights(model, seed)
    return model.to(device).eval()


def _forget_files(settings: Any) -> None:
    """Take ``init_cfg`` and ``checkpoint`` out of a model's config, on all levels."""
    if isinstance(settings, dict):
        for key in ('init_cfg', 'checkpoint'):
            if settings.get(key) is not None:
                settings[key] = None
    children = settings.values() if isinstance(settings, dict) else settings
    if isinstance(settings, (dict, list, tuple)):
        for child in children:
            _forget_files(child)


def random_pictures(cfg: Config, batch_size: int, device: str = 'cpu', seed: int = 0) -> Tensor:
    """Normalised pictures ``(B, 3, H, W)`` of the size that the config's model sees."""
    (height, width), _ = picture_size(cfg)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch_size, 3, height, width, generator=generator).to(device)


@torch.inference_mode()
def time_variants(
    models: Mapping[str, ImageClassifier],
    pictures: Mapping[str, Tensor],
    variants: Sequence[str],
    turns: int,
    warm_up: int = 1,
    clock: Callable[[], float] = CLOCKS['wall'],
) -> tuple[dict[str, Measurement], dict[str, str]]:
    """Time variants of one or several models against each other, all in the same turns.

    Args:
        models: In eval mode, by name.
        pictures: What each model gets.
        variants: Names, see :mod:`.variants`.
        turns: How often each is timed.
        warm_up: Calls before, untimed. Default 1.
        clock: One of :data:`.CLOCKS`. Default ``'wall'``.

    Returns:
        tuple: Times by ``'MODEL VARIANT'``, or ``'VARIANT'`` with a single model, and by the same
        names the reasons why variants are left out.
    """
    runs: dict[str, Callable] = {}
    left_out: dict[str, str] = {}
    for model_name, model in models.items():
        for variant in variants:
            name = variant if len(models) == 1 else f'{model_name} {variant}'
            inputs = pictures[model_name]
            try:
                run = make_variant(variant, model, inputs)
            except UnavailableError as error:
                left_out[name] = str(error)
                continue
            runs[name] = _call(run, inputs)
    return (interleave(runs, turns, warm_up, clock) if runs else {}), left_out


def _call(run: Callable, inputs: Tensor) -> Callable:
    return lambda: run(inputs)


class TrainStep:
    """Forward and backward pass and update of a config's model on random pictures in memory.

    Args:
        cfg: Its ``model`` and ``optim_wrapper`` are used.
        batch_size: Pictures a step.
        device: Where. Default ``'cpu'``.
    """

    def __init__(self, cfg: Config, batch_size: int, device: str = 'cpu'):
        self.model = random_model(cfg, device).train()
        self.optim_wrapper: OptimWrapper = build_optim_wrapper(
            self.model, copy.deepcopy(cfg.optim_wrapper)
        )
        (height, width), _ = picture_size(cfg)
        self.batch = dict(
            inputs=torch.randint(0, 256, (batch_size, 3, height, width), dtype=torch.uint8),
            data_samples=[_sample(index, min(height, width)) for index in range(batch_size)],
        )

    def __call__(self, count: int | None = None) -> None:
        """Take a step on the whole batch, or on its first ``count`` pictures."""
        batch = {key: copy.deepcopy(value[:count]) for key, value in self.batch.items()}
        with torch.enable_grad():
            self.model.train_step(batch, self.optim_wrapper)


def _sample(index: int, side: int) -> DataSample:
    """Labels for every head."""
    sample = DataSample(metainfo=dict(sample_idx=index)).set_gt_label(0)
    sample.set_field(30.0, 'gt_age')
    sample.set_field(torch.rand(98, 2) * side, 'gt_landmarks')
    return sample


def training_memory(cfg: Config, batch_size: int, device: str = 'cpu') -> int:
    """Bytes that a training step needs at its height beyond weights and optimiser state."""
    step = TrainStep(cfg, batch_size, device)
    step(2)  # gradients and momentum are there from now on
    return peak_memory(step, device)
