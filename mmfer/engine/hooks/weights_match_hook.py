# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import re

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper

from mmfer.checkpoint.state_dicts import check_numbers, compare_state_dicts
from mmfer.registry import HOOKS


class WeightsMismatchError(ValueError):
    """A checkpoint fills hardly anything of the model it is loaded into, or with no numbers."""


@HOOKS.register_module()
class WeightsMatchHook(Hook):
    """Say how much of the model a checkpoint fills, and refuse one that fills nearly nothing.

    MMEngine loads what fits and drops the rest, so a checkpoint of another model leaves the model
    at its random start without an error. Weights that are not numbers (NaN) are refused as well.

    Args:
        min_matched: Least share of the model's parameters, counted in numbers and not in tensors,
            that the checkpoint must hold under the right name and in the right shape, 0-1.
            Defaults to 0.5; 0 lets everything pass.
        max_listed: How many names of each kind the message lists. Defaults to 5.

    Note:
        Weights that a model renames or resizes while it loads them (position embeddings) are
        counted as they stand in the file.
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
        weights = {re.sub(r'^module\.', '', name): value for name, value in weights.items()}
        report = compare_state_dicts(model.state_dict(), weights)
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
        runner.logger.info(f'Checkpoint: {report}' + (f'\n{details}' if details else ''))
