# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Iterator

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import all_gather_object, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from .step_batch import StepBatch


class NothingToDoError(ValueError):
    """A run would train nothing, or test on nothing."""


class CheckedRunner(Runner):
    """MMEngine's runner, which refuses a run that would do nothing, and says what a step is.

    MMEngine runs without a single step, saves untrained weights and ends without an error, or fails
    in a scheduler or a metric with a message about something else. Here it is an error as soon as
    loader and optimizer are built:

    * no iteration: no image, fewer images than a batch with ``drop_last``, no epoch;
    * processes of a distributed run with different numbers of iterations, which would wait for each
      other for ever;
    * no parameter that is trained, or a learning rate of 0;
    * nothing to validate or to test on.

    Before the first step the log has a line on the images of a step, over all processes and
    accumulated batches, and the learning rate; a warning where that is for another number of
    images. MMEngine's ``auto_scale_lr`` does not count accumulated batches; here it does.

    ``compile`` in the config compiles ``model.loss`` where the model has it. MMEngine compiles
    ``train_step``, with optimizer and log, and does it again for each new learning rate or value
    that is logged, until ``torch.compile`` gives up.

    Raises:
        NothingToDoError: Names the settings that cause it.
    """

    #: Whether the log has the line on a step of the training loop.
    _step_is_said = True

    def build_train_loop(self, loop) -> BaseLoop:
        built = super().build_train_loop(loop)
        if built is not loop:
            _require_training(built)
            self._step_is_said = False
        return built

    def build_val_loop(self, loop) -> BaseLoop:
        built = super().build_val_loop(loop)
        _require_batches(built, 'val_dataloader')
        return built

    def build_test_loop(self, loop) -> BaseLoop:
        built = super().build_test_loop(loop)
        _require_batches(built, 'test_dataloader')
        return built

    def build_optim_wrapper(self, optim_wrapper):
        built = super().build_optim_wrapper(optim_wrapper)
        if built is optim_wrapper:
            return built  # resumed, at any point of a schedule
        groups = [
            group
            for _, wrapper in _by_name(built)
            for group in wrapper.optimizer.param_groups
            if any(parameter.requires_grad for parameter in group['params'])
        ]
        if not groups:
            raise NothingToDoError(
                'no parameter would be trained: all are frozen (requires_grad=False). Look for '
                'frozen_stages and the like in model'
            )
        if not any(group['lr'] for group in groups):
            raise NothingToDoError(
                'nothing would be trained: the learning rate is 0 (optim_wrapper.optimizer.lr, '
                'optim_wrapper.paramwise_cfg)'
            )
        return built

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None) -> None:
        super().scale_lr(optim_wrapper, auto_scale_lr)
        if (auto_scale_lr or {}).get('enable'):
            for _, wrapper in _by_name(optim_wrapper):
                for group in wrapper.optimizer.param_groups:
                    group['lr'] *= wrapper._accumulative_counts

    def _maybe_compile(self, target: str) -> None:
        model = self.model.module if is_model_wrapper(self.model) else self.model
        options = self.cfg.get('compile')
        if target != 'train_step' or not options or not hasattr(model, 'loss'):
            super()._maybe_compile(target)
            return
        model.loss = torch.compile(model.loss, **({} if options is True else options))
        self.logger.info('model.loss is compiled: the first iterations are slow')

    def load_or_resume(self) -> None:
        super().load_or_resume()
        # Nothing changes learning rates between this and the first step.
        if not self._step_is_said:
            self._step_is_said = True
            self._say_what_a_step_is()

    def _say_what_a_step_is(self) -> None:
        size = _batch_size(self._train_loop.dataloader)
        if size is None:
            return
        scaling = self.auto_scale_lr or {}
        for name, wrapper in _by_name(self.optim_wrapper):
            batch = StepBatch(
                get_world_size(),
                size,
                wrapper._accumulative_counts,
                scaling.get('base_batch_size'),
                bool(scaling.get('enable')),
            )
            groups = wrapper.optimizer.param_groups
            # What schedules start from, also in a run that is resumed; else it is the rate itself.
            rates = [float(group.get('initial_lr', group['lr'])) for group in groups]
            level = logging.WARNING if batch.is_doubtful else logging.INFO
            self.logger.log(level, f'Batch{name and f" of {name}"}: {batch.describe(rates)}')


def _by_name(optim_wrapper) -> Iterator[tuple[str, OptimWrapper]]:
    """The optimizer wrapper of a model, without a name, or several with theirs."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        yield from optim_wrapper.items()
    else:
        yield '', optim_wrapper


def _batch_size(loader: DataLoader) -> int | None:
    """Images in a batch; None where a batch sampler does not say."""
    return getattr(loader.batch_sampler, 'batch_size', loader.batch_size)


def _require_training(loop: BaseLoop) -> None:
    iterations = isinstance(loop, IterBasedTrainLoop)
    length, name = (loop.max_iters, 'max_iters') if iterations else (loop.max_epochs, 'max_epochs')
    if length < 1:
        raise NothingToDoError(f'nothing would be trained: train_cfg.{name} is {length}')
    if getattr(loop, 'val_interval', 1) < 1:
        raise NothingToDoError(
            f'train_cfg.val_interval is {loop.val_interval}; it must be at least 1. To train '
            'without validation, give train.py --no-validate'
        )
    sampler = getattr(loop.dataloader.batch_sampler, 'sampler', None)
    infinite = isinstance(sampler, InfiniteSampler) or getattr(sampler, 'infinite', False)
    if not (iterations and infinite and len(loop.dataloader.dataset)):
        _require_as_many_everywhere(loop.dataloader)
        _require_batches(loop, 'train_dataloader')


def _require_batches(loop: BaseLoop, name: str) -> None:
    loader = getattr(loop, 'dataloader', None)
    if loader is None or len(loader):
        return
    images, processes = len(loader.dataset), get_world_size()
    size = _batch_size(loader)
    reason = f'{name}.dataset has {images} images'
    if images:
        reason += f', a batch {size} ({name}.batch_size)'
        reason += f' in each of {processes} processes' if processes > 1 else ''
        if getattr(loader.batch_sampler, 'drop_last', loader.drop_last):
            reason += f', and {name}.drop_last=True drops what does not fill one'
    raise NothingToDoError(f'{name} gives no batch: {reason}')


def _require_as_many_everywhere(loader: DataLoader) -> None:
    if get_world_size() == 1:
        return
    lengths = all_gather_object(len(loader))
    if len(set(lengths)) > 1:
        raise NothingToDoError(
            f'the processes would have {lengths} iterations in an epoch, and wait for each other '
            f'for ever: {len(loader.dataset)} images do not divide among them. Set '
            'train_dataloader.sampler.round_up=True'
        )
