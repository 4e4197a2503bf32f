# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Bring the optimizer and schedule of a config to the point at which a run is resumed."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, OptimWrapperDict, _ParamScheduler

from mmfer.checkpoint.config_text import ConfigTextError, parse_config_text
from mmfer.utils.config_options import walk

#: Settings that determine how a training step changes the weights, and the number of steps.
_SECTIONS = (
    'optim_wrapper',
    'param_scheduler',
    'auto_scale_lr',
    'train_cfg.type',
    'train_cfg.by_epoch',
    'train_cfg.max_epochs',
    'train_cfg.max_iters',
    'train_dataloader.batch_size',
    'train_dataloader.batch_sampler',
    'train_dataloader.drop_last',
    'train_dataloader.num_batch_per_epoch',
    'train_dataloader.sampler',
)


class ResumeError(ValueError):
    """A run cannot be resumed from a checkpoint with these settings."""


def training_settings(cfg: Mapping[str, Any] | Config) -> dict[str, Any]:
    """Return the settings of optimizer, schedule and batches as dotted paths with plain values."""
    return {
        path: value
        for path, value in walk(cfg)
        if any(path == section or path.startswith(f'{section}.') for section in _SECTIONS)
        and not (isinstance(value, (Mapping, list, tuple)) and value)
    }


def saved_settings(text: Any) -> dict[str, Any] | None:
    """Return :func:`training_settings` of the config in a checkpoint, or None if unreadable."""
    try:
        return training_settings(parse_config_text(text))
    except (ConfigTextError, TypeError):
        return None


def flat(schedulers: Sequence | Mapping | None) -> list[_ParamScheduler]:
    """Flatten the schedulers of a runner; with several optimizers it has a list for each."""
    if isinstance(schedulers, Mapping):
        return [scheduler for of_one in schedulers.values() for scheduler in of_one]
    return list(schedulers or ())


def advance(
    schedulers: Sequence[_ParamScheduler], epochs: int, epoch_length: int, iterations: int
) -> None:
    """Step new schedulers as in training, up to a given epoch and iteration.

    Args:
        schedulers (Sequence[_ParamScheduler]): Newly built schedulers; they and their optimizer are
            changed in place.
        epochs (int): Finished epochs.
        epoch_length (int): Iterations per epoch.
        iterations (int): Iterations since the start, including those of an unfinished epoch.

    Raises:
        ResumeError: A schedule is shorter than that.
    """
    by_epoch = [scheduler for scheduler in schedulers if scheduler.by_epoch]
    by_iteration = [scheduler for scheduler in schedulers if not scheduler.by_epoch]

    def step(some, times=1):
        for _ in range(times if some else 0):
            for scheduler in some:
                scheduler.step()

    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # torch expects an optimizer step before each
            for _ in range(epochs):
                step(by_iteration, epoch_length)
                step(by_epoch)
            step(by_iteration, iterations - epochs * epoch_length)
    except ValueError as error:
        raise ResumeError(
            f'param_scheduler cannot be advanced to epoch {epochs}, iteration {iterations}: {error}'
        ) from error


def put_settings(saved: dict, optimizer: OptimWrapper) -> None:
    """Replace learning rate, weight decay and other settings in a saved optimizer state.

    Args:
        saved (dict): ``state_dict()`` of an optimizer wrapper; changed in place. Momenta are kept.
        optimizer (OptimWrapper): The wrapper with the new settings.

    Raises:
        ResumeError: The state belongs to another type of optimizer, or to other parameters.
    """
    if isinstance(optimizer, OptimWrapperDict):
        for name, one in optimizer.items():
            put_settings(saved[name], one)
        return
    present = optimizer.state_dict()
    groups = saved['param_groups']
    _require_fit(groups, saved['state'], optimizer.optimizer)
    for number, (old, new) in enumerate(zip(groups, present['param_groups'], strict=True)):
        groups[number] = {**new, 'params': old['params']}
    saved.pop('base_param_settings', None)
    if 'base_param_settings' in present:
        saved['base_param_settings'] = present['base_param_settings']


def _require_fit(groups: list, state: Mapping, optimizer: torch.optim.Optimizer) -> None:
    counts = [[len(group['params']) for group in some] for some in (groups, optimizer.param_groups)]
    if counts[0] != counts[1]:
        raise ResumeError(
            f'the checkpoint has {sum(counts[0])} parameters in {len(counts[0])} groups, this run '
            f'has {sum(counts[1])} in {len(counts[1])}: the model or optim_wrapper.paramwise_cfg '
            'has changed'
        )
    had = {name for of_one in state.values() for name in of_one}
    needed = state_names(optimizer, optimizer.param_groups[0])
    # SGD without momentum has no state, so it can only be resumed from SGD.
    if state and (needed - had or (not needed and had - {'momentum_buffer'})):
        raise ResumeError(
            f'optim_wrapper.optimizer is {type(optimizer).__name__}, with the state '
            f'{sorted(needed)} per parameter; the checkpoint has {sorted(had)}'
        )


#: Parameters, and ways to compute that a CPU may not have; they do not change the names.
_NOT_PROBED = ('params', 'param_names', 'capturable', 'foreach', 'fused')


def state_names(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> set[str]:
    """Return the names of an optimizer's state per parameter, with the settings of this group."""
    settings = {k: v for k, v in group.items() if k not in _NOT_PROBED}
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.zeros(2)
    probe = type(optimizer)([{'params': [parameter], **settings}], lr=0.1)
    probe.step()
    return set(probe.state[parameter])


def differences(before: Mapping, after: Mapping) -> Iterator[str]:
    """Yield one line for each changed setting: its name, old and new value."""
    for name in sorted({*before, *after}):
        values = [some.get(name, 'not set') for some in (before, after)]
        if values[0] != values[1]:
            yield f'{name}: {values[0]} -> {values[1]}'
