# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read checkpoints without ever running code that they name.

A checkpoint of ``torch.save`` is a pickle, and a pickle may name any function and have it called;
:mod:`mmfer.checkpoint.torch_file` reads it as data. Files in the safetensors format hold no pickle
at all. MMEngine's own loaders, which unpickle, are replaced by :func:`register_safe_loaders`.
"""

import hashlib
import os
import os.path as osp
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader

from . import CheckpointError, UnsafeCheckpointError
from .download import download
from .safetensors_file import SUFFIX, read_safetensors
from .state_dicts import unwrap
from .torch_file import read_torch_file

__all__ = [
    'CheckpointError',
    'UnsafeCheckpointError',
    'load_checkpoint_file',
    'load_weights',
    'register_safe_loaders',
]

#: Set to 1, this environment variable allows downloads that anybody on the way can change.
ALLOW_HTTP = 'MMFER_ALLOW_HTTP'

#: Addresses that MMEngine knows and reads by plain unpickling.
_OTHER_SCHEMES = (
    'pavi://',
    r'(\S+\:)?s3://',
    r'(\S+\:)?petrel://',
    'modelzoo://',
    'torchvision://',
    'open-mmlab://',
    'openmmlab://',
    'mmcls://',
)


def load_checkpoint_file(path: str, map_location: Any = 'cpu') -> Any:
    """Read a local checkpoint without running anything it names.

    Reads published weights (``.safetensors``), and what ``torch.save`` wrote in its zip format and
    in that of torch < 1.6: weights, our training checkpoints and those of stock MMEngine.
    TorchScript archives are refused.

    Args:
        path (str): The file; ``~`` is expanded.
        map_location (Any): The device for all tensors; functions and tables, which
            :func:`torch.load` also takes, mean the CPU. Defaults to ``'cpu'``.

    Returns:
        What was saved, usually a dict; ``dict(state_dict=..., meta=...)`` of ``.safetensors``,
        with numbers of half precision as float32.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: The file is empty, truncated, damaged, or no checkpoint.
        UnsafeCheckpointError: The file names code outside the allow-list.
    """
    path = osp.expanduser(path)
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'there is no checkpoint {path} (from {os.getcwd()}); check the path given on the '
            'command line, in `load_from` or in `init_cfg.checkpoint`'
        )
    if osp.getsize(path) == 0:
        raise CheckpointError(f'{path} is empty: its writing was interrupted. Use an earlier file.')
    device = map_location if isinstance(map_location, (str, torch.device)) else 'cpu'
    if path.lower().endswith(SUFFIX):
        content = _load_safetensors(path, device)
    else:
        content = read_torch_file(path, device)
    _check_notes(path, content)
    return content


def load_weights(path: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights in a local checkpoint and its ``meta``, read by :func:`load_checkpoint_file`.

    Returns:
        Tensors by name, see :func:`.unwrap`; and the notes, an empty dict if there are none.

    Raises:
        ValueError: The file holds no named tensors. For others see :func:`load_checkpoint_file`.
    """
    content = load_checkpoint_file(path)
    try:
        return unwrap(content), dict(content.get('meta') or {})
    except ValueError as error:
        raise ValueError(f'{path} is no checkpoint: {error}') from error


def _load_safetensors(path: str, device: str | torch.device) -> dict:
    weights, meta = read_safetensors(path, device)
    # Half precision is for the way: here all is computed in single.
    weights = {k: v.float() if v.dtype == torch.float16 else v for k, v in weights.items()}
    # Where training checkpoints have the class names.
    notes = dict(meta, dataset_meta=dict(classes=meta['classes'])) if 'classes' in meta else meta
    return dict(state_dict=weights, meta=notes)


def _check_notes(path: str, content: Any) -> None:
    """Refuse notes whose types are not those that readers expect."""
    where = []
    for key, kind in dict(meta=dict, dataset_meta=dict, classes=(list, tuple)).items():
        content = content.get(key) if isinstance(content, dict) else None
        where.append(key)
        if content is not None and not isinstance(content, kind):
            wanted = 'a dict' if kind is dict else 'a list or tuple'
            raise CheckpointError(
                f'{path}: {".".join(where)} is a {type(content).__name__}, not {wanted}. Remove '
                'it, or use the weights alone: torch.save(dict(state_dict=...), ...)'
            )


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """:func:`load_checkpoint_file` under a name that MMEngine's log understands ("by local").

    Without ``meta['config']``: MMEngine's runner, which has not written that for years, runs it as
    Python when it resumes.
    """
    content = load_checkpoint_file(filename, map_location)
    if isinstance(content, dict) and isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)
    return content


def load_from_http(filename: str, map_location: Any = None) -> Any:
    """Download once into torch's hub folder and load safely from there.

    The main process goes first; the others download only where its folder is not theirs. Files are
    kept by their whole address, so that equal names on two hosts stay two files.

    Raises:
        CheckpointError: The address is one of ``http://`` and the environment does not say
            ``MMFER_ALLOW_HTTP=1``, or one of ``https://`` leads elsewhere; or see
            :func:`load_checkpoint_file`.
        OSError: The download failed.
    """
    if urlsplit(filename).scheme == 'http' and os.environ.get(ALLOW_HTTP) != '1':
        raise CheckpointError(
            f'{filename} was not downloaded: what does not come by https:// can be changed on its '
            f'way. Use an address of https://, or set {ALLOW_HTTP}=1 for one of http:// on a '
            'network that you trust'
        )
    folder = osp.join(torch.hub.get_dir(), 'checkpoints')
    name = osp.basename(filename.split('?')[0])
    path = osp.join(folder, f'{hashlib.sha256(filename.encode()).hexdigest()[:16]}-{name}')
    if not is_main_process():
        barrier()
    try:
        if not osp.isfile(path):
            print_log(f'Downloading {filename} to {path}', 'current')
            say = partial(print_log, logger='current')
            download(filename, path, schemes=('http', 'https'), say=say)
    finally:
        if is_main_process():
            barrier()
    return load_from_local(path, map_location)


def refuse_scheme(filename: str, map_location: Any = None) -> None:
    """Takes the place of loaders that unpickle."""
    raise CheckpointError(
        f'{filename} is not loaded: mmfer reads files and https:// addresses. Download it, and '
        'name the file'
    )


def register_safe_loaders() -> None:
    """Make MMEngine load local files and https addresses through this module, and nothing else.

    ``load_from``, ``resume`` and ``init_cfg=dict(type='Pretrained')`` all end here.
    """
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    CheckpointLoader.register_scheme(('http://', 'https://'), load_from_http, force=True)
    CheckpointLoader.register_scheme(_OTHER_SCHEMES, refuse_scheme, force=True)
