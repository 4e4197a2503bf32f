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

    MMEngine's checkpoints pickle the message hub's ``HistoryBuffer`` objects, which torch >= 2.6
    refuses to load. This hook stores the numbers in them instead and rebuilds the buffers when the
    checkpoint is loaded, so a resumed run goes on smoothing its logs where it left off. A stock
    MMEngine runner can still load the weights; it starts the logs' history anew.

    How much there is of everything goes into the checkpoint as well, so that a run does not go on
    from one of which something was lost.

    Notes in ``meta`` and in the message hub that have no plain form are left out with a warning.
    Functions in the state of a scheduler (``OneCycleLR`` has one) are left out as well: a resumed
    run has them from its config.

    Raises:
        NotPlainError: The optimizer or a scheduler holds something that has no plain form.
    """

    # Last, so that it also sees what other hooks put into the checkpoint.
    priority = 'LOWEST'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        hub = checkpoint['message_hub']
        for notes in (checkpoint['meta'], hub['runtime_info']):
            self._drop_what_is_not_plain(notes)
        if 'param_schedulers' in checkpoint:
            checkpoint['param_schedulers'] = _without_functions(checkpoint['param_schedulers'])
        for key in checkpoint:
            # The weights are an OrderedDict with `_metadata` as an attribute, which must stay.
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
    """The state of schedulers, in lists and dicts, less the entries that are functions."""
    if isinstance(state, list):
        return [_without_functions(item) for item in state]
    if isinstance(state, dict):
        return {k: _without_functions(item) for k, item in state.items() if not callable(item)}
    return state
