# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

from mmengine.dist import get_world_size
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop

from mmfer.registry import HOOKS

from ..resumed_schedule import (
    ResumeError,
    advance,
    differences,
    flat,
    put_settings,
    saved_settings,
    training_settings,
)

_ITERATIONS = 'iterations so far'
_OF_THE_SCHEDULE = ('optim_wrapper', 'param_scheduler', 'auto_scale_lr')


@HOOKS.register_module()
class ResumeHook(Hook):
    """Apply changes of the config when a run is resumed.

    MMEngine loads learning rate, weight decay, schedule and iteration from the checkpoint and
    ignores the config. This hook compares the settings of optimizer, schedule and batches, the
    iterations so far and the number of processes with those of the checkpoint.

    If all are the same, the run is resumed exactly, bit for bit. If a schedule depends on metrics,
    or the best checkpoint is kept (``save_best``), the validation that follows the checkpoint is
    run first, also if nothing is left to train.

    Otherwise every change is logged, and

    * the optimizer keeps its momenta and gets the settings of the config;
    * the schedule is the one of the config, at the current epoch;
    * the iteration is the number of finished epochs times their new length. An epoch in which the
      checkpoint was saved starts again. Training by iterations continues at the same iteration.

    Raises:
        ResumeError: A change cannot be applied: another type of optimizer or loop, other
            parameters, another seed, or a new schedule that depends on metrics of past epochs. Or
            the checkpoint has weights only.
    """

    # After WeightsMatchHook, which must see the checkpoint as it was saved.
    priority = 'BELOW_NORMAL'

    def __init__(self) -> None:
        self._resumed = self._changed = False

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['meta']['world_size'] = get_world_size()

    def before_train(self, runner) -> None:
        loop = runner.train_loop
        if runner._resume and loop.iter > 0 and _finished(loop):
            runner.logger.warning(
                f'Nothing is left to train: the checkpoint is at epoch {loop.epoch}, iteration '
                f'{loop.iter}, and train_cfg ends at {_end(loop)}.'
            )

    def before_train_epoch(self, runner) -> None:
        if not self._resumed:
            return
        self._resumed = False
        if _lacks_validation(runner):
            runner.val_loop.run()
        if self._changed:
            rates = {name: values[0] for name, values in runner.optim_wrapper.get_lr().items()}
            runner.logger.warning(
                f'In effect from epoch {runner.epoch}, iteration {runner.iter}: '
                + ', '.join(f'{name}={value:.4g}' for name, value in rates.items())
                + '. The optimizer keeps its momenta.'
            )

    def after_train(self, runner) -> None:
        if self._resumed and _lacks_validation(runner):  # stopped in the last validation
            runner.val_loop.run()

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        meta = checkpoint.get('meta', {})
        loop = runner._train_loop
        if not runner._resume or not isinstance(loop, BaseLoop):
            return
        if lacking := [
            key for key in ('meta', 'optimizer', 'message_hub') if key not in checkpoint
        ]:
            raise ResumeError(
                f'{runner._load_from} has no {", ".join(lacking)}, so training cannot be resumed. '
                'Start a new run from its weights: --cfg-options load_from=CHECKPOINT instead of '
                '--resume'
            )
        self._require_same_seed(runner, meta)
        if 'ema_state_dict' in checkpoint and not any(isinstance(h, EMAHook) for h in runner.hooks):
            raise ResumeError(
                f'{runner._load_from} was trained with an EMAHook, which this config lacks: '
                'training would continue from the averaged weights. Add it to custom_hooks, or '
                'start a new run from these weights, with --cfg-options load_from=CHECKPOINT and '
                'another --work-dir instead of --resume'
            )
        before, after = self._settings(runner, checkpoint)
        changes = list(differences(before, after))
        self._resumed, self._changed = True, bool(changes)
        if not changes:
            return
        try:
            self._take_over(runner, checkpoint, before, changes)
        except ResumeError as error:
            raise ResumeError(
                f'cannot resume {runner._load_from} with {"; ".join(changes)}. '
                f'Reason: {error}. Restore the old values of these settings, or start a new run '
                'from the weights, with --cfg-options load_from=CHECKPOINT and another --work-dir '
                'instead of --resume'
            ) from error
        for change in changes:
            runner.logger.warning(f'Resuming with a changed setting: {change}')

    @staticmethod
    def _settings(runner, checkpoint: dict) -> tuple[dict, dict]:
        """Return the settings of the checkpoint and those of this run, by the same names."""
        meta = checkpoint['meta']
        before, after = saved_settings(meta.get('cfg')), training_settings(runner.cfg)
        if before is None:
            before, after = {'the config in the checkpoint': 'cannot be compared'}, {}
        processes = meta.get('world_size') or len(checkpoint.get('random_state') or [])
        if processes:  # unknown in some checkpoints
            before['processes'], after['processes'] = processes, get_world_size()
        before[_ITERATIONS], after[_ITERATIONS] = meta['iter'], _iterations(runner, meta)
        return before, after

    @staticmethod
    def _take_over(runner, checkpoint: dict, before: dict, changes: list[str]) -> None:
        """Put the settings of this run into the checkpoint before it is loaded."""
        meta, loop = checkpoint['meta'], runner.train_loop
        by_iteration = isinstance(loop, IterBasedTrainLoop)
        if _counts_iterations(before, by_iteration) != by_iteration:
            raise ResumeError('training by epochs and by iterations cannot be mixed')
        if any(change.startswith('train_dataloader.sampler.seed') for change in changes):
            raise ResumeError('a resumed run continues with its own random numbers')
        meta['iter'] = _iterations(runner, meta)
        schedulers = flat(runner.param_schedulers)
        if any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers):
            rates = [_first_rates(o) for o in (checkpoint['optimizer'], runner.optim_wrapper)]
            if rates[0] != rates[1] or any(c.startswith(_OF_THE_SCHEDULE) for c in changes):
                raise ResumeError('its schedule depends on the metrics of past epochs')
            for state, scheduler in zip(checkpoint['param_schedulers'], schedulers, strict=True):
                state['end'] = scheduler.end
            return
        epochs = 0 if by_iteration else meta['epoch']
        advance(schedulers, epochs, len(runner.train_dataloader), meta['iter'])
        put_settings(checkpoint['optimizer'], runner.optim_wrapper)
        if any(change.startswith('optim_wrapper.loss_scale') for change in changes):
            checkpoint['optimizer'].pop('loss_scaler', None)
        # Keep the schedulers of this run, which are advanced already.
        checkpoint.pop('param_schedulers', None)

    @staticmethod
    def _require_same_seed(runner, meta: dict) -> None:
        was, now = meta.get('seed'), runner._randomness_cfg.get('seed')
        if None not in (was, now) and was != now:
            raise ResumeError(
                f'{runner._load_from} was trained with the seed {was} (randomness.seed), and a '
                f'resumed run continues with its random numbers: {now} would have no effect. '
                f'Resume with --seed {was}, or start a new run in another --work-dir'
            )


def _first_rates(optimizer: Mapping | OptimWrapper) -> list[float | None]:
    state = optimizer if isinstance(optimizer, Mapping) else optimizer.state_dict()
    return [group.get('initial_lr') for group in state.get('param_groups', ())]


def _lacks_validation(runner) -> bool:
    """Whether something needs the metrics of the validation that follows the checkpoint.

    The checkpoint is saved before this validation. A schedule must get each metric exactly once;
    for the best checkpoint, getting it twice does no harm.
    """
    loop, schedulers = runner.train_loop, flat(runner.param_schedulers)
    steps = [s.last_step for s in schedulers if getattr(s, 'need_val_args', False)]
    by_epoch = not isinstance(loop, IterBasedTrainLoop)
    done, end = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    extra = done == end and done % loop.val_interval > 0  # MMEngine also validates at the end
    if runner.val_loop is None or done < loop.val_begin or (done % loop.val_interval and not extra):
        return False
    if not steps:
        is_whole = not by_epoch or loop.iter == done * len(runner.train_dataloader)
        hooks = (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
        return is_whole and any(hook.save_best for hook in hooks)
    regular = done // loop.val_interval - (loop.val_begin - 1) // loop.val_interval
    return min(steps) < regular + extra


def _iterations(runner, meta: dict) -> int:
    """Return the number of finished iterations.

    An unfinished epoch starts again, so only the iterations of whole epochs count.
    """
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        return meta['epoch'] * len(runner.train_dataloader)
    return meta['iter']


def _counts_iterations(settings: dict, default: bool) -> bool:
    if 'train_cfg.by_epoch' not in settings and 'train_cfg.type' not in settings:
        return default
    if 'train_cfg.by_epoch' in settings:
        return not settings['train_cfg.by_epoch']
    return 'Iter' in str(settings['train_cfg.type'])


def _finished(loop: BaseLoop) -> bool:
    if isinstance(loop, IterBasedTrainLoop):
        return loop.iter >= loop.max_iters
    return loop.epoch >= loop.max_epochs


def _end(loop: BaseLoop) -> str:
    if isinstance(loop, IterBasedTrainLoop):
        return f'max_iters={loop.max_iters}'
    return f'max_epochs={loop.max_epochs}'
