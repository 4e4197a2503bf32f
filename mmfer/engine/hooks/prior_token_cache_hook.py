# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import mmcv
import mmengine
import mmpretrain
import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpretrain.models import ClsDataPreprocessor
from torch.utils.data import DataLoader, Dataset

import mmfer
from mmfer.datasets.determinism import fingerprint_samples, innermost_dataset, random_transforms
from mmfer.models.analyzers import FaceAnalyzer
from mmfer.models.analyzers.prior_token_cache import (
    DamagedTokensError,
    PriorTokenCache,
    PriorTokenCacheError,
)
from mmfer.models.utils import FaceDataPreprocessor
from mmfer.registry import HOOKS
from mmfer.utils.file_lock import file_lock
from mmfer.utils.random_state import get_random_state, set_random_state

#: Raise it when the meaning of the stored numbers changes.
_VERSION = 1
_LOG_EVERY = 100  # batches


class _InOrder(Dataset):
    """A dataset as it is, without the other sample that mmengine puts in for a bad one."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int):
        sample = self.dataset.prepare_data(index)
        if sample is None:
            path = self.dataset.get_data_info(index).get('img_path', 'without a path')
            raise PriorTokenCacheError(
                f'sample {index} ({path}) cannot be read, so it has no prior tokens. Repair it or '
                'take it out of the dataset'
            )
        return sample


@HOOKS.register_module()
class PriorTokenCacheHook(Hook):
    """Compute the prior tokens once for all epochs, and for all runs with the same priors and data.

    A :class:`FaceAnalyzer` runs its prior encoders on every image in every epoch, though their
    tokens change only where augmentation changes the image. Where it does not, this hook stores
    the tokens of the whole training set and takes the encoders out of memory: an epoch then costs
    the canonical encoder and the adapter. All a config needs is ::

        custom_hooks = [dict(type='PriorTokenCacheHook', cache_dir='work_dirs/prior_tokens')]

    Training goes the same way with and without it: the tokens are those that the encoders would
    have computed (bit for bit on a CPU with the same number of threads), and computing them draws
    no random numbers.

    The tokens are kept with what they were made from: weights and architecture of every prior, the
    dataset with all its samples (annotations, size and time of every file), the pipeline, the data
    preprocessor, the precision, the kind of device and the versions of the packages. If any of it
    has changed, they are refused, and the error names it. Tokens whose file is damaged are computed
    anew. Trainings with one ``cache_dir`` may start together: one computes, the others wait.

    Note:
        In a distributed run the first process computes and the others wait, for as long as
        ``env_cfg.dist_cfg.timeout`` allows; a large set is better prepared in a run of one process.
        All processes have to see ``cache_dir``.

    Args:
        cache_dir (str, optional): Folder of the tokens, made if need be. Defaults to None:
            ``prior_tokens`` in the work folder of the run.
        deterministic (Sequence[str]): Class names of transforms, or of a data preprocessor, beyond
            those of mmfer and mmpretrain, that draw no random numbers. Defaults to ().
        rebuild (bool): Compute them anew, whatever is there. Defaults to False.

    Raises:
        TypeError: The model is not a ``FaceAnalyzer``, or its training data does not come from a
            config of one dataset.
        ValueError: Something changes the images at random; says what, and what to do.
        PriorTokenCacheError: The tokens there were made from something else, or there is no room
            for them.
    """

    def __init__(
        self,
        cache_dir: str | None = None,
        deterministic: Sequence[str] = (),
        rebuild: bool = False,
    ) -> None:
        self.cache_dir = cache_dir
        self.deterministic = tuple(deterministic)
        self.rebuild = rebuild

    def before_train(self, runner: Runner) -> None:
        model = _model_of(runner)
        if not isinstance(model, FaceAnalyzer):
            raise TypeError(
                f'PriorTokenCacheHook works for a FaceAnalyzer; the model is a '
                f'{type(model).__name__}, without priors'
            )
        if not model.prior_configs:
            return
        dataset = innermost_dataset(runner.train_dataloader.dataset)
        self._require_determinism(dataset, model.data_preprocessor)
        folder = Path(self.cache_dir or Path(runner.work_dir) / 'prior_tokens')
        model.prior_cache = self._shared(runner, dataset, folder)
        if not model.save_priors:
            model.priors = None  # out of memory
        rows = model.prior_cache.rows
        runner.logger.info(
            f'Prior tokens of {len(rows)} samples, {rows.nbytes / 2**20:.1f} MiB, are taken from '
            f'{folder}'
        )

    def after_train(self, runner: Runner) -> None:
        _model_of(runner).prior_cache = None

    def _shared(self, runner: Runner, dataset: Any, folder: Path) -> PriorTokenCache:
        """Open or build in the first process, then open in the others; all fail or none."""
        outcome = [None, None]  # the key, or what went wrong
        error = None
        if is_main_process():
            try:
                outcome[0] = self._key(runner, dataset)
                with _alone_in(folder, runner):
                    cache = None if self.rebuild else self._open(runner, folder, outcome[0])
                    if cache is None:
                        cache = self._build(runner, dataset, folder, outcome[0])
            except Exception as caught:  # whatever it is, the others must not wait for it
                error = caught
                outcome[1] = f'{type(caught).__name__}: {caught}'
        broadcast_object_list(outcome)
        if error is not None:
            raise error
        if outcome[1] is not None:
            raise PriorTokenCacheError(f'the first process could not prepare them: {outcome[1]}')
        if not is_main_process():
            with _alone_in(folder, runner):
                cache = PriorTokenCache.open(folder, outcome[0])
            if cache is None:
                raise PriorTokenCacheError(
                    f'{folder}, where the first process keeps the prior tokens, is not there for '
                    'this one. Give the PriorTokenCacheHook a cache_dir that all machines share'
                )
        return cache

    @staticmethod
    def _open(runner: Runner, folder: Path, key: dict) -> PriorTokenCache | None:
        """What is there, if it is whole."""
        try:
            return PriorTokenCache.open(folder, key)
        except DamagedTokensError as error:
            runner.logger.warning(f'Prior tokens are computed anew: {error}')
            return None

    # ---- is it sound? -------------------------------------------------------------------------

    def _require_determinism(self, dataset: Any, preprocessor: Any) -> None:
        """Raise unless a sample is the same image in every epoch."""
        reasons = []
        if names := random_transforms(dataset.pipeline.transforms, self.deterministic):
            reasons.append(
                f'{", ".join(names)} in train_dataloader.dataset.pipeline: take the pipeline of '
                'the test set'
            )
        if getattr(preprocessor, 'batch_augments', None) is not None:
            reasons.append('batch augmentation: set model.train_cfg=None')
        if getattr(preprocessor, 'erasing', None) is not None:
            reasons.append('random erasing: set data_preprocessor.erasing=None')
        name = type(preprocessor).__name__
        if (
            type(preprocessor) not in (ClsDataPreprocessor, FaceDataPreprocessor)
            and name not in self.deterministic
        ):
            reasons.append(f'{name}, a data preprocessor that is not known')
        if reasons:
            raise ValueError(
                'prior tokens can be stored only for images that are the same in every epoch. '
                'What may change them at random:\n  '
                + '\n  '.join(reasons)
                + '\nOr declare what is not random by its class name in deterministic=(...) of the '
                'PriorTokenCacheHook, or train without this hook'
            )

    @staticmethod
    def _key(runner: Runner, dataset: Any) -> dict:
        """All that the tokens depend on, as plain data."""
        model = _model_of(runner)
        loader = runner.cfg.get('train_dataloader')
        config = loader.get('dataset') if isinstance(loader, dict) else None
        while isinstance(config, dict) and isinstance(config.get('dataset'), dict):
            config = config['dataset']
        if not isinstance(config, dict):
            raise TypeError(
                'PriorTokenCacheHook needs train_dataloader.dataset as a config: what the tokens '
                'depend on is read from there'
            )
        config = dict(config)
        pipeline = config.pop('pipeline', [])
        preprocessor = runner.cfg.model.get('data_preprocessor') or runner.cfg.get(
            'data_preprocessor'
        )
        wrapper = runner.optim_wrapper
        weights = model.build_priors().fingerprints()
        key = dict(
            version=_VERSION,
            priors={
                task: dict(backbone=prior['backbone'], weights=weights[task])
                for task, prior in model.prior_configs.items()
            },
            pipeline=pipeline,
            data_preprocessor=preprocessor,
            dataset=config,
            samples=fingerprint_samples(dataset),
            precision=f'{type(wrapper).__name__} {getattr(wrapper, "cast_dtype", None)}',
            device=next(model.parameters()).device.type,
            packages={
                package.__name__: package.__version__
                for package in (mmfer, mmpretrain, mmcv, mmengine, torch)
            },
        )
        return json.loads(json.dumps(key, default=repr))

    # ---- computing ----------------------------------------------------------------------------

    def _build(self, runner: Runner, dataset: Any, folder: Path, key: dict) -> PriorTokenCache:
        runner.logger.info(f'The prior tokens of {len(dataset)} samples are computed for {folder}')
        state = get_random_state()
        try:
            batches = self._compute(runner, dataset)
            return PriorTokenCache.build(folder, key, batches, len(dataset))
        finally:
            set_random_state(state)

    @staticmethod
    def _compute(runner: Runner, dataset: Any) -> Iterator[dict]:
        """Tokens of all samples in their order; batches of one shape, as training has them."""
        model, train_loader = _model_of(runner), runner.train_dataloader
        size = train_loader.batch_size or 1
        order = list(range(len(dataset)))
        order += order[-1:] * (-len(order) % size)  # the last batch is filled up
        loader = DataLoader(
            _InOrder(dataset),
            batch_size=size,
            sampler=order,
            num_workers=train_loader.num_workers,
            collate_fn=train_loader.collate_fn,
        )
        for number, data in enumerate(loader, 1):
            with runner.optim_wrapper.optim_context(runner.model), torch.no_grad():
                data = model.data_preprocessor(data, training=True)
                yield model.priors(data['inputs'])
            if number % _LOG_EVERY == 0:
                runner.logger.info(f'Prior tokens: batch {number} of {len(loader)}')


def _model_of(runner: Runner):
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


@contextmanager
def _alone_in(folder: Path, runner: Runner) -> Iterator[None]:
    """Wait until no other process is at the tokens, and keep others from them meanwhile."""

    def wait(holder: str) -> None:
        runner.logger.info(f'The prior tokens in {folder} are in use by {holder}: waiting for it')

    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / '.lock', wait))
        except OSError as error:  # a folder that may only be read, to which nobody writes
            runner.logger.info(f'{folder} is used without a lock: {error}')
        yield
