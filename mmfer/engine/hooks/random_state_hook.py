# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import IterBasedTrainLoop

from mmfer.registry import HOOKS
from mmfer.utils.random_state import get_random_state, set_random_state


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Make a resumed run draw the same random numbers as an uninterrupted run.

    The states of all random generators of all processes are saved in the checkpoint
    (``random_state``, a list over ranks) and restored on resume. Validation also draws random
    numbers, for instance when its data loader starts. Its end state is discarded, because a run
    that stops after a checkpoint does not repeat the validation that would have followed.

    Note:
        Exact for training by epochs, with checkpoints at the end of an epoch and data loader
        workers that are started for each epoch (``persistent_workers=False``) and seeded by
        ``torch.initial_seed()``. Training by iterations fetches its first batch before any hook
        runs: with workers, the order of the data and the random numbers of the model (dropout) are
        exact there, but random augmentation is not.
    """

    # Before CheckpointHook (VERY_LOW), which saves at the same points.
    priority = 'LOW'

    def __init__(self) -> None:
        self._before_val = None  # state of this process while validation runs
        self._gathered = (-1, [])  # iteration, states of all processes
        self._loaded = {}
        self._training = False

    # ---- saving -------------------------------------------------------------------------------

    def before_train(self, runner) -> None:
        self._training = True
        if runner.iter == 0:
            self._loaded = {}  # `load_from` only loads weights for a new run

    def after_train_epoch(self, runner) -> None:
        self._gather(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if any(self._saves_now(hook, runner) for hook in runner.hooks):
            self._gather(runner)

    def before_val(self, runner) -> None:
        self._before_val = get_random_state()
        if self._training:
            self._gather(runner)

    def after_val(self, runner) -> None:
        set_random_state(self._before_val)
        self._before_val = None

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        # Called in the main process only; the other states were gathered before.
        if get_world_size() == 1:
            states = [self._before_val or get_random_state()]
        else:
            iteration, states = self._gathered
            if iteration != runner.iter:
                runner.logger.warning(
                    'The checkpoint is saved without random state, because the processes are not '
                    'synchronized at this point. Training resumed from it is not exact.'
                )
                return
        checkpoint['random_state'] = states
        checkpoint['sampler_seed'] = getattr(self._sampler(runner), 'seed', None)

    def _gather(self, runner) -> None:
        if get_world_size() > 1:
            self._gathered = (runner.iter, all_gather_object(get_random_state()))

    @staticmethod
    def _saves_now(hook: Hook, runner) -> bool:
        return (
            isinstance(hook, CheckpointHook)
            and not hook.by_epoch
            and (
                hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
                or (hook.save_last and hook.is_last_train_iter(runner))
            )
        )

    # ---- resuming -----------------------------------------------------------------------------

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        self._loaded = {
            key: checkpoint[key]
            for key in ('random_state', 'sampler_seed', 'meta')
            if checkpoint.get(key) is not None
        }

    def before_train_epoch(self, runner) -> None:
        if not self._loaded:
            return
        sampler = self._sampler(runner)
        if 'sampler_seed' in self._loaded and hasattr(sampler, 'seed'):
            sampler.seed = self._loaded['sampler_seed']
        if not isinstance(runner.train_loop, IterBasedTrainLoop):
            self._restore(runner)

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if self._loaded:
            self._restore(runner)

    def _restore(self, runner) -> None:
        states = self._loaded.get('random_state')
        self._loaded = {}
        if not states:
            runner.logger.warning(
                'The checkpoint has no random state (it was not saved by mmfer): training is '
                'resumed, but not exactly as an uninterrupted run.'
            )
        elif len(states) != get_world_size():
            runner.logger.warning(
                f'The checkpoint has the random state of {len(states)} processes, but this run '
                f'has {get_world_size()}: training is resumed with new random states.'
            )
        else:
            set_random_state(states[get_rank()])
            if getattr(runner.train_dataloader, 'persistent_workers', False):
                runner.logger.warning(
                    'train_dataloader.persistent_workers=True: the random state of the workers is '
                    'not saved, so augmentation differs from an uninterrupted run.'
                )

    @staticmethod
    def _sampler(runner):
        batch_sampler = runner.train_dataloader.batch_sampler
        return getattr(batch_sampler, 'sampler', None)
