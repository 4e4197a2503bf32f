# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Training steps on random images, and their memory."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from mmfer.deployment.untrained import random_model
from mmfer.utils.image_size import image_size

_EVENT = '[memory]'


class TrainStep:
    """A training step (forward, backward, update) of a config's model on random images in memory.

    Args:
        cfg (Config): The config; its ``model`` and ``optim_wrapper`` are used.
        batch_size (int): Images per step.
        device (str): Device of the model. Defaults to ``'cpu'``.
        size (tuple[int, int], optional): Height and width of the images. Defaults to None, the
            input size of the config's model.
    """

    def __init__(
        self,
        cfg: Config,
        batch_size: int,
        device: str = 'cpu',
        size: tuple[int, int] | None = None,
    ):
        self.model = random_model(cfg).to(device).train()
        self.optim_wrapper: OptimWrapper = build_optim_wrapper(
            self.model, copy.deepcopy(cfg.optim_wrapper)
        )
        size = size or image_size(cfg)[0]
        self.batch = dict(
            inputs=torch.randint(0, 256, (batch_size, 3, *size), dtype=torch.uint8),
            data_samples=[
                _sample(index, min(size), self.model.head) for index in range(batch_size)
            ],
        )

    def __call__(self, count: int | None = None) -> dict[str, Tensor]:
        """Run a step on the whole batch, or on its first ``count`` images; return the losses."""
        batch = {key: copy.deepcopy(value[:count]) for key, value in self.batch.items()}
        with torch.enable_grad():
            return self.model.train_step(batch, self.optim_wrapper)


def _sample(index: int, side: int, head: nn.Module | None) -> DataSample:
    """Create a sample with labels for every head of mmfer and for classifiers of mmpretrain."""
    sample = DataSample(metainfo=dict(sample_idx=index)).set_gt_label(0)
    if getattr(getattr(head, 'loss_module', None), 'use_soft', False):
        sample.set_gt_score(torch.eye(head.num_classes)[0])
    sample.set_field(30.0, 'gt_age')
    sample.set_field(torch.rand(getattr(head, 'num_points', 0), 2) * side, 'gt_landmarks')
    sample.set_field(torch.randint(2, (getattr(head, 'num_units', 0),)), 'gt_au')
    sample.set_field(torch.rand(2), 'gt_valence_arousal')
    return sample


def training_memory(cfg: Config, batch_size: int, device: str = 'cpu') -> int:
    """Return the peak memory of a training step in bytes, without weights and optimizer state."""
    step = TrainStep(cfg, batch_size, device)
    step(2)  # allocates gradients and momentum
    return peak_memory(step, device)


def peak_memory(run: Callable[[], Any], device: str | torch.device = 'cpu') -> int:
    """Return the peak memory of tensors in bytes during a call, beyond the memory before it.

    On a GPU, PyTorch's caching allocator counts the memory. On a CPU, the allocations recorded by
    the profiler are summed up; memory that libraries allocate without PyTorch is not included.

    Args:
        run (Callable[[], Any]): Function, called once. Memory that it keeps after the call, such as
            gradients, counts.
        device (str | torch.device): Device of the function. Defaults to ``'cpu'``.
    """
    device = torch.device(device)
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as record:
        run()
    events = [e for e in record.profiler.kineto_results.events() if e.name() == _EVENT]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
