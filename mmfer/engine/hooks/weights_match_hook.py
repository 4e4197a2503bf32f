# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch.optim import Optimizer

from mmfer.checkpoint.auto_resume import CONTENTS, why_incomplete
from mmfer.checkpoint.state_dicts import (
    StateDictReport,
    as_loaded,
    check_numbers,
    compare_state_dicts,
    plain_names,
)
from mmfer.registry import HOOKS

from ..resumed_schedule import flat, saved_settings, state_names


class WeightsMismatchError(ValueError):
    """A checkpoint has too few weights of the model, or weights that are NaN or infinite."""


@HOOKS.register_module()
class WeightsMatchHook(Hook):
    """Log how many weights of the model a checkpoint has, and raise an error if it has too few.

    MMEngine loads weights that match and ignores the others. So with a checkpoint of another model,
    the model silently keeps its random initialization. Weights that are NaN or infinite are an
    error as well. Prefixes of DataParallel and torch.compile are stripped from the names.

    To resume a run, the checkpoint must be complete: all weights, the optimizer state, and
    everything else that it had when it was saved.

    Args:
        min_matched (float): Smallest share of the parameters of the model (counted by elements, not
            tensors) that the checkpoint must have with the right name and shape, 0 to 1. 0 turns
            the check off, also for resumed runs. Defaults to 0.5.
        max_listed (int): Number of names of each kind to list in messages. Defaults to 5.

    Raises:
        WeightsMismatchError: The checkpoint does not fit the model, is incomplete, or has weights
            that are not finite.
    """

    def __init__(self, min_matched: float = 0.5, max_listed: int = 5) -> None:
        if not 0 <= min_matched <= 1:
            raise ValueError(
                f'default_hooks.weights_match.min_matched is a share of the parameters and must be '
                f'from 0 to 1, got {min_matched}'
            )
        self.min_matched = min_matched
        self.max_listed = max_listed

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        weights = checkpoint.get('state_dict', checkpoint)
        if not isinstance(weights, dict):
            raise WeightsMismatchError(
                f'the checkpoint has a {type(weights).__name__} instead of a dict of weights'
            )
        try:
            weights = plain_names(weights)
        except ValueError as error:
            raise WeightsMismatchError(f'the checkpoint cannot be used: {error}') from error
        resumed = runner._resume and self.min_matched
        if not resumed:
            weights = as_loaded(model, weights)
        report = compare_state_dicts(model.state_dict(), weights)
        if resumed:
            self._check_whole(runner, checkpoint, report)
        details = report.details(self.max_listed)
        if report.share < self.min_matched:
            raise WeightsMismatchError(
                f'this is a checkpoint of another model: {report}, less than the '
                f'{self.min_matched:.0%} required (default_hooks.weights_match.min_matched).\n'
                f'{details}\nCheck that config and checkpoint belong together. To load weights of '
                "one part of the model, set its init_cfg=dict(type='Pretrained', checkpoint=..., "
                'prefix=...); convert files of other projects with tools/model_converters first.'
            )
        try:
            check_numbers(weights, report.matched)
        except ValueError as error:
            raise WeightsMismatchError(f'the checkpoint cannot be used: {error}') from error
        _put_back(checkpoint, weights)
        runner.logger.info(f'Checkpoint: {report}' + (f'\n{details}' if details else ''))

    def _check_whole(self, runner, checkpoint: Mapping, report: StateDictReport) -> None:
        """Check that a run can be resumed exactly from a checkpoint."""
        reason = why_incomplete(checkpoint)
        names = report.missing + report.unexpected  # frozen priors have files of their own
        if not reason and (report.reshaped or any(not n.startswith('priors.') for n in names)):
            reason = f'{report}\n{report.details(self.max_listed)}'
        if not reason and _lost_schedule(checkpoint):
            reason = 'its param_schedulers are missing'
        optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
        if not reason and CONTENTS not in checkpoint and isinstance(optimizer, Optimizer):
            reason = _lost_state(optimizer, checkpoint['optimizer'])
        if reason:
            raise WeightsMismatchError(
                f'training cannot be resumed from this checkpoint: {reason}\nResume an earlier one '
                '(--resume FILE), or start a new run from its weights with '
                'load_from (--cfg-options load_from=FILE, without --resume)'
            )


def _lost_state(optimizer: Optimizer, saved: Mapping) -> str:
    """Describe the missing optimizer state of a checkpoint without a list of its contents.

    Frozen parameters have no state, and some optimizers have no state at all.
    """
    if not {'state', 'param_groups'} <= saved.keys():
        return 'its optimizer lacks state or param_groups'
    params = [param for group in optimizer.param_groups for param in group['params']]
    numbers = [number for group in saved['param_groups'] for number in group['params']]
    if len(params) != len(numbers):
        return f'its optimizer has {len(numbers)} parameters, the one of the config {len(params)}'
    state, names = saved['state'], state_names(optimizer, saved['param_groups'][0])
    pairs = zip(params, numbers, strict=True)
    lost = [n for param, n in pairs if names and param.requires_grad and n not in state]
    if not lost:
        return ''
    return f'its optimizer has no state for {len(lost)} of {len(numbers)} parameters'


def _lost_schedule(checkpoint: Mapping) -> bool:
    """Whether a checkpoint has no state of the schedule that its own config has."""
    settings = saved_settings(checkpoint['meta'].get('cfg')) or {}
    had = any(name.startswith('param_scheduler.') for name in settings)
    return had and not flat(checkpoint.get('param_schedulers'))


def _put_back(checkpoint: dict, weights: dict) -> None:
    """Replace the weights in a checkpoint, or in a bare state dict, in place."""
    place = checkpoint.get('state_dict', checkpoint)
    if place.keys() != weights.keys():
        place.clear()
    place.update(weights)
