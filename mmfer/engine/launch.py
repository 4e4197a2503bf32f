# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From a config file and command-line options to a runner: common parts of train.py and test.py."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import Runner

from mmfer.checkpoint.auto_resume import find_resumable
from mmfer.registry import OPTIM_WRAPPERS, RUNNERS
from mmfer.utils.components import component_class
from mmfer.utils.config_options import read_config
from mmfer.utils.file_lock import file_lock

from .checked_runner import CheckedRunner
from .optim_wrappers import BFloat16OptimWrapper

#: MMEngine's default hooks, which a config can turn off with None.
_STOCK_HOOKS = (
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
)
DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def load_config(
    path: str | Path,
    options: Mapping[str, Any] | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
) -> Config:
    """Read a config file and apply the options that all tools have.

    Args:
        path (str | Path): The config file.
        options (Mapping[str, Any], optional): ``--cfg-options``, checked by :func:`.merge_options`.
        work_dir (str, optional): Folder for logs and checkpoints. Defaults to the config's own, or
            ``./work_dirs/<name of the config>``.
        launcher (str): ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.

    Raises:
        FileNotFoundError: The config does not exist.
        UnknownOptionError: See :func:`merge_options`.
    """
    cfg = read_config(path, options)
    cfg.launcher = launcher
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = f'./work_dirs/{Path(path).stem}'
    for name in DATALOADERS:
        if cfg.get(name) is not None:
            # Images of the same size are stacked in the workers of the data loader.
            cfg[name].setdefault('collate_fn', dict(type='default_collate'))
            # Pinned memory speeds up copies to a GPU; without a GPU, torch warns about it.
            if not torch.cuda.is_available():
                cfg[name].pin_memory = False
            else:
                cfg[name].setdefault('pin_memory', True)
            if not cfg[name].get('num_workers'):
                # torch raises an error if these options are set without workers.
                for option in ('persistent_workers', 'prefetch_factor', 'multiprocessing_context'):
                    cfg[name].pop(option, None)
    return cfg


def build_runner(cfg: Config) -> Runner:
    """Build the runner of a config, adapted to this machine."""
    hooks = cfg.get('default_hooks') or {}
    # MMEngine accepts None for its own hooks only, so remove the others here.
    for name in [name for name, hook in hooks.items() if hook is None and name not in _STOCK_HOOKS]:
        del hooks[name]
    if cfg.get('launcher', 'none') != 'none' and not torch.cuda.is_available():
        _set_up_gloo(cfg)
    _require_whole_loops(cfg)
    return RUNNERS.build(cfg) if 'runner_type' in cfg else CheckedRunner.from_cfg(cfg)


def _require_whole_loops(cfg: Config) -> None:
    """Raise if some of the settings of a loop are missing or None, but not all of them."""
    others = {'train': 'optim_wrapper', 'val': 'val_evaluator', 'test': 'test_evaluator'}
    for part, other in others.items():
        names = (f'{part}_dataloader', f'{part}_cfg', other)
        lacking = [name for name in names if cfg.get(name) is None]
        if lacking and len(lacking) < len(names):
            hint = '. train.py --no-validate trains without validation' if part == 'val' else ''
            raise ValueError(
                f'the config has no {", no ".join(lacking)}; {", ".join(names)} belong together: '
                f'set all of them, or none (None){hint}'
            )


def _set_up_gloo(cfg: Config) -> None:
    """Prepare distributed training on CPUs.

    MMEngine's own initialization selects a CUDA device for each process, and so does its default
    model wrapper. So the process group and the config of the wrapper are created here.
    """
    if cfg.launcher != 'pytorch':
        raise ValueError(
            f"--launcher {cfg.launcher} needs GPUs, but none is visible; '--launcher pytorch' "
            '(tools/dist_train.sh) trains in several processes on CPUs'
        )
    if cfg.get('sync_bn'):
        # torch would raise in the first step, with any number of processes.
        raise ValueError(
            f'sync_bn={cfg.sync_bn!r} needs GPUs, but none is visible. --cfg-options sync_bn=None '
            'lets each process normalize by the statistics of its own images'
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)


@contextlib.contextmanager
def one_training(cfg: Config) -> Iterator[None]:
    """Lock the work folder against other trainings; enter before searching it for checkpoints.

    The first process of a job holds the lock for all processes. Testing needs no lock.

    Raises:
        InUseError: Another training uses the folder. Nothing was written.
    """
    with contextlib.ExitStack() as stack:
        if _is_first_process():
            stack.enter_context(file_lock(Path(cfg.work_dir, '.training.lock')))
        yield


def set_resume(cfg: Config, resume: str | None) -> None:
    """Find the checkpoint to resume from and set it in ``cfg``.

    Args:
        cfg (Config): The config, with its ``work_dir``; changed in place.
        resume (str, optional): None uses the setting of the config. ``'auto'`` selects the newest
            checkpoint in the work folder that loads, and logs newer ones that were skipped. Any
            other value is a path. If there is no checkpoint, training starts from the beginning.

    Raises:
        FileNotFoundError: The checkpoint ``resume`` does not exist.
    """
    if resume is not None:
        cfg.resume = True
        if resume != 'auto':
            if '://' not in resume and not os.path.isfile(resume):
                raise FileNotFoundError(
                    f'there is no checkpoint {resume} (relative to {os.getcwd()}); --resume '
                    'without a value selects the newest one in the work folder'
                )
            cfg.load_from = resume
            return
    elif not cfg.get('resume') or cfg.get('load_from'):
        return
    path, skipped = find_resumable(cfg.work_dir)
    for newer, reason in skipped.items():
        _log_once(f'Not resuming from {newer}: {reason}', logging.WARNING)
    if path is not None:
        cfg.load_from = str(path)
        _log_once(f'Resuming from {path}')
    else:
        cfg.resume = False
        _log_once(f'Nothing to resume in {cfg.work_dir}: training starts from the beginning')


def _log_once(message: str, level: int = logging.INFO) -> None:
    """Log once per job, in the first process."""
    if _is_first_process():
        print_log(message, 'current', level)


def _is_first_process() -> bool:
    """Whether this is the first process of the job.

    The process group may not exist yet, so this reads the environment variables of the launchers.
    """
    names = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    return next((os.environ[name] for name in names if name in os.environ), '0') == '0'


def set_amp(cfg: Config, dtype: str) -> None:
    """Train in mixed precision.

    Args:
        cfg (Config): The config; changed in place.
        dtype (str): ``'fp16'`` (GPU only, with dynamic loss scaling) or ``'bf16'`` (CPU as well).
    """
    wrapper = cfg.optim_wrapper
    kind = component_class(wrapper.get('type', OptimWrapper), OPTIM_WRAPPERS)
    if kind not in (OptimWrapper, AmpOptimWrapper, BFloat16OptimWrapper):
        raise ValueError(
            f'--amp replaces optim_wrapper.type, which is {wrapper["type"]!r} in this config; only '
            'OptimWrapper can be replaced. Set the precision in that wrapper instead'
        )
    if dtype == 'bf16':
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(key, None)
        wrapper.type = 'BFloat16OptimWrapper'
        return
    if not torch.cuda.is_available():
        raise ValueError('--amp fp16 needs a GPU, but none is visible; --amp bf16 runs on CPUs too')
    wrapper.type = 'AmpOptimWrapper'
    wrapper.dtype = 'float16'
    wrapper.setdefault('loss_scale', 'dynamic')


def set_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate with the batch size over all processes and accumulated batches."""
    if not (cfg.get('auto_scale_lr') or {}).get('base_batch_size'):
        raise ValueError(
            '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the config: the '
            'batch size, over all GPUs, of its learning rate'
        )
    cfg.auto_scale_lr.enable = True


def set_deterministic(cfg: Config) -> None:
    """Allow only deterministic algorithms."""
    # cuBLAS reads this when it starts; torch's deterministic mode raises an error without it.
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    cfg.randomness = dict(cfg.get('randomness') or dict(seed=0), deterministic=True)
