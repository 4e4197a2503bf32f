# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.dataset import InfiniteSampler
from mmengine.dist import all_gather_object, get_world_size
from mmengine.optim import OptimWrapperDict
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader


class NothingToDoError(ValueError):
    """A run would train nothing, or test on nothing."""


class CheckedRunner(Runner):
    """MMEngine's runner, which refuses a run that would do nothing.

    MMEngine runs without a single step, saves untrained weights and ends without an error, or fails
    in a scheduler or a metric with a message about something else. Here it is an error as soon as
    loader and optimizer are built:

    * no iteration: no image, fewer images than a batch with ``drop_last``, no epoch;
    * processes of a distributed run with different numbers of iterations, which would wait for each
      other for ever;
    * no parameter that is trained, or a learning rate of 0;
    * nothing to validate or to test on.

    Raises:
        NothingToDoError: Names the settings that cause it.
    """

    def build_train_loop(self, loop) -> BaseLoop:
        built = super().build_train_loop(loop)
        if built is not loop:
            _require_training(built)
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
        wrappers = built.values() if isinstance(built, OptimWrapperDict) else [built]
        groups = [
            group
            for wrapper in wrappers
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
    size = getattr(loader.batch_sampler, 'batch_size', loader.batch_size)
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
