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
    """A checkpoint fills too little of the model it is loaded into, or with no numbers."""


@HOOKS.register_module()
class WeightsMatchHook(Hook):
    """Say how much of the model a checkpoint fills, and refuse one that fills nearly nothing.

    MMEngine loads what fits and drops the rest, so a checkpoint of another model leaves the model
    at its random start without an error. Weights that are NaN or infinite are refused as well.
    Names lose what DataParallel and torch.compile put before them.

    A run that is resumed needs all: the weights, the optimizer's state, and whatever else the
    checkpoint held when it was saved.

    Args:
        min_matched (float): Least share of the model's parameters, counted in numbers and not in
            tensors, that the checkpoint must hold under the right name and in the right shape, 0-1.
            Defaults to 0.5; 0 lets everything pass, also where a run is resumed.
        max_listed (int): How many names of each kind the message lists. Defaults to 5.
    """

    def __init__(self, min_matched: float = 0.5, max_listed: int = 5) -> None:
        if not 0 <= min_matched <= 1:
            raise ValueError(
                f'min_matched is {min_matched}; it is a share of the parameters, from 0 to 1 '
                '(default_hooks.weights_match.min_matched)'
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
                f'the checkpoint holds a {type(weights).__name__} where a dict of weights should be'
            )
        try:
            weights = plain_names(weights)
        except ValueError as error:
            raise WeightsMismatchError(f'the checkpoint is of no use: {error}') from error
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
                f'{details}\nCheck that config and checkpoint belong together. Weights of one part '
                "of the model are loaded by its init_cfg=dict(type='Pretrained', checkpoint=..., "
                'prefix=...); files of other projects go through tools/model_converters first.'
            )
        try:
            check_numbers(weights, report.matched)
        except ValueError as error:
            raise WeightsMismatchError(f'the checkpoint is of no use: {error}') from error
        _put_back(checkpoint, weights)
        runner.logger.info(f'Checkpoint: {report}' + (f'\n{details}' if details else ''))

    def _check_whole(self, runner, checkpoint: Mapping, report: StateDictReport) -> None:
        """Check that a run can go on from a checkpoint as it would have."""
        reason = why_incomplete(checkpoint)
        names = report.missing + report.unexpected  # frozen priors have files of their own
        if not reason and (report.reshaped or any(not n.startswith('priors.') for n in names)):
            reason = f'{report}\n{report.details(self.max_listed)}\n'
        if not reason and _lost_schedule(checkpoint):
            reason = 'its param_schedulers are lost'
        optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
        if not reason and CONTENTS not in checkpoint and isinstance(optimizer, Optimizer):
            reason = _lost_state(optimizer, checkpoint['optimizer'])
        if reason:
            raise WeightsMismatchError(
                f'training cannot be resumed from this checkpoint: {reason}. Resume an earlier one '
                '(--resume FILE), or start a new run from its weights with '
                'load_from (--cfg-options load_from=FILE, without --resume)'
            )


def _lost_state(optimizer: Optimizer, saved: Mapping) -> str:
    """Say which parameters lack a state in a checkpoint that does not say how much it holds.

    Frozen parameters have none, and some optimizers keep none at all.
    """
    if not {'state', 'param_groups'} <= saved.keys():
        return 'its optimizer is that of something else'
    params = [param for group in optimizer.param_groups for param in group['params']]
    numbers = [number for group in saved['param_groups'] for number in group['params']]
    if len(params) != len(numbers):
        return f'its optimizer has {len(numbers)} parameters, and that of the config {len(params)}'
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
    """Replace the weights in a checkpoint, or a checkpoint that is nothing else, in place."""
    place = checkpoint.get('state_dict', checkpoint)
    if place.keys() != weights.keys():
        place.clear()
    place.update(weights)
