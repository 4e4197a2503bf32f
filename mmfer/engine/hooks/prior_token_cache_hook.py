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

#: Increase it when the meaning of the stored numbers changes.
_VERSION = 1
_LOG_EVERY = 100  # batches


class _InOrder(Dataset):
    """A dataset in order, without mmengine's replacement of unreadable samples by random ones."""

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
                'remove it from the dataset'
            )
        return sample


@HOOKS.register_module()
class PriorTokenCacheHook(Hook):
    """Compute the prior tokens once for all epochs, and for all runs with the same priors and data.

    A :class:`FaceAnalyzer` runs its prior encoders on every image in every epoch, although their
    tokens change only if augmentation changes the image. Without such augmentation, this hook
    stores the tokens of the whole training set and removes the encoders from memory. An epoch then
    only costs the canonical encoder and the adapter. All that a config needs is ::

        custom_hooks = [dict(type='PriorTokenCacheHook', cache_dir='work_dirs/prior_tokens')]

    Training gives the same result with and without the hook. The cached tokens are those that the
    encoders would compute (bit-identical on a CPU with the same number of threads), and computing
    them does not change the random state.

    Everything that the tokens depend on is stored with them: weights and architecture of every
    prior, the dataset with all samples (annotations, size and time of every file), the pipeline,
    the data preprocessor, the precision, the device type and the versions of the packages. If
    anything has changed, an error lists the changes. A damaged file is recomputed. Trainings with
    the same ``cache_dir`` can start at the same time: one computes, the others wait.

    Note:
        In a distributed run the first process computes and the others wait, at most
        ``env_cfg.dist_cfg.timeout``. For a large dataset, run once with one process first. All
        processes need access to ``cache_dir``.

    Args:
        cache_dir (str, optional): Folder of the tokens, created if it does not exist. Defaults to
            None, ``prior_tokens`` in the work folder.
        deterministic (Sequence[str]): Class names of transforms, or of a data preprocessor, that
            draw no random numbers, besides those of mmfer and mmpretrain. Defaults to ().
        rebuild (bool): Recompute the tokens even if they exist. Defaults to False.

    Raises:
        TypeError: The model is not a ``FaceAnalyzer``, or its training data does not come from a
            config with one dataset.
        ValueError: Something changes the images at random. The message says what, and what to do.
        PriorTokenCacheError: The cached tokens were computed with other settings, or cannot be
            written.
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
                f'PriorTokenCacheHook needs a FaceAnalyzer, but the model is a '
                f'{type(model).__name__}, which has no priors'
            )
        if not model.prior_configs:
            return
        dataset = innermost_dataset(runner.train_dataloader.dataset)
        self._require_determinism(dataset, model.data_preprocessor)
        folder = Path(self.cache_dir or Path(runner.work_dir) / 'prior_tokens')
        model.prior_cache = self._shared(runner, dataset, folder)
        if not model.save_priors:
            model.priors = None  # free the memory
        rows = model.prior_cache.rows
        runner.logger.info(
            f'Using cached prior tokens of {len(rows)} samples, {rows.nbytes / 2**20:.1f} MiB, '
            f'from {folder}'
        )

    def after_train(self, runner: Runner) -> None:
        _model_of(runner).prior_cache = None

    def _shared(self, runner: Runner, dataset: Any, folder: Path) -> PriorTokenCache:
        """Open or build in the first process, then open in the others; all succeed or all fail."""
        outcome = [None, None]  # key, error message
        error = None
        if is_main_process():
            try:
                outcome[0] = self._key(runner, dataset)
                with _locked(folder, runner):
                    cache = None if self.rebuild else self._open(runner, folder, outcome[0])
                    if cache is None:
                        cache = self._build(runner, dataset, folder, outcome[0])
            except Exception as caught:  # any error, or the other processes would wait forever
                error = caught
                outcome[1] = f'{type(caught).__name__}: {caught}'
        broadcast_object_list(outcome)
        if error is not None:
            raise error
        if outcome[1] is not None:
            raise PriorTokenCacheError(
                f'the first process could not prepare the prior tokens: {outcome[1]}'
            )
        if not is_main_process():
            with _locked(folder, runner):
                cache = PriorTokenCache.open(folder, outcome[0])
            if cache is None:
                raise PriorTokenCacheError(
                    f'{folder}, the cache_dir of the first process, does not exist for this '
                    'process. Set cache_dir of the PriorTokenCacheHook to a folder that all '
                    'machines share'
                )
        return cache

    @staticmethod
    def _open(runner: Runner, folder: Path, key: dict) -> PriorTokenCache | None:
        """Open the cache; None if it does not exist or is damaged."""
        try:
            return PriorTokenCache.open(folder, key)
        except DamagedTokensError as error:
            runner.logger.warning(f'Recomputing the prior tokens: {error}')
            return None

    # ---- checks -------------------------------------------------------------------------------

    def _require_determinism(self, dataset: Any, preprocessor: Any) -> None:
        """Raise unless a sample is the same image in every epoch."""
        reasons = []
        if names := random_transforms(dataset.pipeline.transforms, self.deterministic):
            reasons.append(
                f'{", ".join(names)} in train_dataloader.dataset.pipeline: use the pipeline of '
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
            reasons.append(f'{name}, an unknown data preprocessor')
        if reasons:
            raise ValueError(
                'prior tokens can be cached only if images are the same in every epoch. These may '
                'change them at random:\n  '
                + '\n  '.join(reasons)
                + '\nIf one of them is not random, add its class name to deterministic=(...) of '
                'the PriorTokenCacheHook. Otherwise train without this hook'
            )

    @staticmethod
    def _key(runner: Runner, dataset: Any) -> dict:
        """Return everything that the tokens depend on, as plain data."""
        model = _model_of(runner)
        loader = runner.cfg.get('train_dataloader')
        config = loader.get('dataset') if isinstance(loader, dict) else None
        while isinstance(config, dict) and isinstance(config.get('dataset'), dict):
            config = config['dataset']
        if not isinstance(config, dict):
            raise TypeError(
                'PriorTokenCacheHook needs train_dataloader.dataset as a config, to find out what '
                'the tokens depend on'
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
        runner.logger.info(f'Computing the prior tokens of {len(dataset)} samples in {folder}')
        state = get_random_state()
        try:
            batches = self._compute(runner, dataset)
            return PriorTokenCache.build(folder, key, batches, len(dataset))
        finally:
            set_random_state(state)

    @staticmethod
    def _compute(runner: Runner, dataset: Any) -> Iterator[dict]:
        """Yield the tokens of all samples in order, in batches of the size of training batches."""
        model, train_loader = _model_of(runner), runner.train_dataloader
        size = train_loader.batch_size or 1
        order = list(range(len(dataset)))
        order += order[-1:] * (-len(order) % size)  # fill the last batch
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
def _locked(folder: Path, runner: Runner) -> Iterator[None]:
    """Hold the lock of the cache folder; wait if another process holds it."""

    def wait(holder: str) -> None:
        runner.logger.info(f'The prior tokens in {folder} are in use by {holder}: waiting for it')

    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / '.lock', wait))
        except OSError as error:  # a read-only folder, to which nobody writes
            runner.logger.info(f'Using {folder} without a lock: {error}')
        yield
