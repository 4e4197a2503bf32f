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
    """A run would train nothing, or evaluate nothing."""


class CheckedRunner(Runner):
    """MMEngine's runner, with an error for runs that do nothing, and a log line on the batch size.

    In such a run, MMEngine trains for zero steps, saves untrained weights and ends without an
    error, or fails in a scheduler or a metric with a misleading message. Here each of the following
    is an error as soon as data loader and optimizer are built:

    * no iteration: no image, fewer images than a batch with ``drop_last``, or no epoch;
    * processes of a distributed run with different numbers of iterations, which would wait for each
      other forever;
    * no trainable parameter, or a learning rate of 0;
    * an empty validation or test set.

    Before the first step, the number of images per step (over all processes and accumulated
    batches) and the learning rate are logged, as a warning if the learning rate is for another
    number of images. Unlike MMEngine's, ``auto_scale_lr`` counts accumulated batches.

    ``compile`` in the config compiles ``model.loss``, if the model has it. MMEngine compiles
    ``train_step`` with optimizer and log, and recompiles it for each new learning rate or logged
    value, until ``torch.compile`` gives up.

    Raises:
        NothingToDoError: Names the settings that cause it.
    """

    #: Whether the batch size of the training loop is logged already.
    _batch_is_logged = True

    def build_train_loop(self, loop) -> BaseLoop:
        built = super().build_train_loop(loop)
        if built is not loop:
            _require_training(built)
            self._batch_is_logged = False
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
            return built  # resumed; the schedule may have lowered the learning rate to 0
        groups = [
            group
            for _, wrapper in _by_name(built)
            for group in wrapper.optimizer.param_groups
            if any(parameter.requires_grad for parameter in group['params'])
        ]
        if not groups:
            raise NothingToDoError(
                'no parameter would be trained: all are frozen (requires_grad=False). Check '
                'frozen_stages and similar settings in model'
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
        self.logger.info('Compiling model.loss: the first iterations are slow')

    def load_or_resume(self) -> None:
        super().load_or_resume()
        # The learning rates do not change between here and the first step.
        if not self._batch_is_logged:
            self._batch_is_logged = True
            self._log_batch()

    def _log_batch(self) -> None:
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
            # Schedules start from initial_lr, also in a resumed run. Without schedule, lr is used.
            rates = [float(group.get('initial_lr', group['lr'])) for group in groups]
            level = logging.WARNING if batch.is_doubtful else logging.INFO
            self.logger.log(level, f'Batch{name and f" of {name}"}: {batch.describe(rates)}')


def _by_name(optim_wrapper) -> Iterator[tuple[str, OptimWrapper]]:
    """Yield the optimizer wrappers by name; a single one has the name ''."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        yield from optim_wrapper.items()
    else:
        yield '', optim_wrapper


def _batch_size(loader: DataLoader) -> int | None:
    """Return the number of images in a batch, or None if the batch sampler does not define it."""
    return getattr(loader.batch_sampler, 'batch_size', loader.batch_size)


def _require_training(loop: BaseLoop) -> None:
    iterations = isinstance(loop, IterBasedTrainLoop)
    length, name = (loop.max_iters, 'max_iters') if iterations else (loop.max_epochs, 'max_epochs')
    if length < 1:
        raise NothingToDoError(f'nothing would be trained: train_cfg.{name} is {length}')
    if getattr(loop, 'val_interval', 1) < 1:
        raise NothingToDoError(
            f'train_cfg.val_interval is {loop.val_interval}; it must be at least 1. To train '
            'without validation, call train.py with --no-validate'
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
        reason += f', a batch needs {size} ({name}.batch_size)'
        reason += f' in each of {processes} processes' if processes > 1 else ''
        if getattr(loader.batch_sampler, 'drop_last', loader.drop_last):
            reason += f', and {name}.drop_last=True drops incomplete batches'
    raise NothingToDoError(f'{name} yields no batch: {reason}')


def _require_as_many_everywhere(loader: DataLoader) -> None:
    if get_world_size() == 1:
        return
    lengths = all_gather_object(len(loader))
    if len(set(lengths)) > 1:
        raise NothingToDoError(
            f'the processes would have {lengths} iterations in an epoch, and wait for each other '
            f'forever: {len(loader.dataset)} images cannot be divided equally. Set '
            'train_dataloader.sampler.round_up=True'
        )
