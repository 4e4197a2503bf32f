# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log

from mmfer.checkpoint.auto_resume import note_contents
from mmfer.checkpoint.plain import NotPlainError, from_plain, to_plain
from mmfer.registry import HOOKS


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Save checkpoints that ``torch.load(file, weights_only=True)`` reads.

    MMEngine's checkpoints pickle the ``HistoryBuffer`` objects of the message hub, which torch
    >= 2.6 does not load. This hook stores their numbers instead, and rebuilds the buffers when the
    checkpoint is loaded, so a resumed run continues the smoothing of its logs. A plain MMEngine
    runner can still load the weights, but its log history starts empty.

    The number of items in each part of the checkpoint is stored as well, so that a run cannot be
    resumed from an incomplete checkpoint.

    Values in ``meta`` and in the message hub without a plain form are omitted with a warning.
    Functions in the state of a scheduler (``OneCycleLR`` has one) are omitted too; a resumed run
    gets them from its config.

    Raises:
        NotPlainError: The optimizer or a scheduler has a state without a plain form.
    """

    # Last, to include what other hooks add to the checkpoint.
    priority = 'LOWEST'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        hub = checkpoint['message_hub']
        for notes in (checkpoint['meta'], hub['runtime_info']):
            self._drop_what_is_not_plain(notes)
        if 'param_schedulers' in checkpoint:
            checkpoint['param_schedulers'] = _without_functions(checkpoint['param_schedulers'])
        for key in checkpoint:
            # state_dict is an OrderedDict with the attribute `_metadata`, which must be kept.
            if key != 'state_dict':
                checkpoint[key] = to_plain(checkpoint[key], key)
        note_contents(checkpoint)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        for key in ('meta', 'message_hub'):
            if key in checkpoint:
                checkpoint[key] = from_plain(checkpoint[key])

    @staticmethod
    def _drop_what_is_not_plain(notes: dict) -> None:
        for key in list(notes):
            try:
                notes[key] = to_plain(notes[key], key)
            except NotPlainError as error:
                print_log(f'Not saved in the checkpoint: {error}', 'current', logging.WARNING)
                del notes[key]


def _without_functions(state: Any) -> Any:
    """Return the state of schedulers, in lists and dicts, without entries that are functions."""
    if isinstance(state, list):
        return [_without_functions(item) for item in state]
    if isinstance(state, dict):
        return {k: _without_functions(item) for k, item in state.items() if not callable(item)}
    return state
