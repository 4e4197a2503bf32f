# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Load checkpoints without running any code that they name.

A checkpoint of ``torch.save`` is a pickle, which can name any function and have it called.
:mod:`mmfer.checkpoint.torch_file` reads it as data. Safetensors files contain no pickle.
:func:`register_safe_loaders` replaces MMEngine's own loaders, which unpickle.
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

#: Environment variable: 1 allows downloads by http, which can be changed on their way.
ALLOW_HTTP = 'MMFER_ALLOW_HTTP'

#: URL schemes that MMEngine loads by plain unpickling.
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
    """Load a local checkpoint without running anything that it names.

    Reads published weights (``.safetensors``) and files of ``torch.save``, in its zip format and
    in that of torch < 1.6: weights, and training checkpoints of mmfer and of stock MMEngine.
    TorchScript archives are an error.

    Args:
        path (str): The file; ``~`` is expanded.
        map_location (Any): The device for all tensors. Functions and dicts, which
            :func:`torch.load` accepts too, mean the CPU. Defaults to ``'cpu'``.

    Returns:
        The saved object, usually a dict. For ``.safetensors`` it is
        ``dict(state_dict=..., meta=...)``, with half-precision numbers converted to float32.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: The file is empty, truncated, damaged, or not a checkpoint.
        UnsafeCheckpointError: The file names code outside the allow-list.
    """
    path = osp.expanduser(path)
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'there is no checkpoint {path} (from {os.getcwd()}); check the path on the command '
            'line, in `load_from` or in `init_cfg.checkpoint`'
        )
    if osp.getsize(path) == 0:
        raise CheckpointError(
            f'{path} is empty: writing it was interrupted. Use an earlier checkpoint'
        )
    device = map_location if isinstance(map_location, (str, torch.device)) else 'cpu'
    if path.lower().endswith(SUFFIX):
        content = _load_safetensors(path, device)
    else:
        content = read_torch_file(path, device)
    _check_notes(path, content)
    return content


def load_weights(path: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Load the weights in a checkpoint, a file or URL, and its ``meta``.

    Returns:
        Tensors by name, see :func:`.unwrap`; and ``meta``, an empty dict if there is none.

    Raises:
        ValueError: The file has no named tensors. :func:`load_checkpoint_file` and
            :func:`load_from_http` list other errors.
    """
    is_url = path.startswith(('http://', 'https://'))
    content = load_from_http(path) if is_url else load_checkpoint_file(path)
    try:
        return unwrap(content), dict(content.get('meta') or {})
    except ValueError as error:
        raise ValueError(f'{path} is not a checkpoint: {error}') from error


def _load_safetensors(path: str, device: str | torch.device) -> dict:
    weights, meta = read_safetensors(path, device)
    # Half precision only makes the file smaller: computation is in float32.
    weights = {k: v.float() if v.dtype == torch.float16 else v for k, v in weights.items()}
    # Training checkpoints have the class names here.
    notes = dict(meta, dataset_meta=dict(classes=meta['classes'])) if 'classes' in meta else meta
    return dict(state_dict=weights, meta=notes)


def _check_notes(path: str, content: Any) -> None:
    """Check the types of ``meta``, ``meta.dataset_meta`` and ``meta.dataset_meta.classes``."""
    where = []
    for key, kind in dict(meta=dict, dataset_meta=dict, classes=(list, tuple)).items():
        content = content.get(key) if isinstance(content, dict) else None
        where.append(key)
        if content is not None and not isinstance(content, kind):
            wanted = 'a dict' if kind is dict else 'a list or tuple'
            raise CheckpointError(
                f'{path}: {".".join(where)} is a {type(content).__name__}, not {wanted}. Remove '
                'it, or keep only the weights: torch.save(dict(state_dict=...), ...)'
            )


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Load a file for MMEngine, whose log shows the last word of this function's name ("by local").

    ``meta['config']`` is removed: MMEngine's runner, which has not written it for years, runs it as
    Python code when it resumes.
    """
    content = load_checkpoint_file(filename, map_location)
    if isinstance(content, dict) and isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)
    return content


def load_from_http(filename: str, map_location: Any = None) -> Any:
    """Download once to torch's hub folder and load safely from there.

    The main process goes first. The others download only if they do not share its folder. Files are
    named by a hash of the full URL, so that equal names on two hosts stay two files.

    Raises:
        CheckpointError: The URL is ``http://`` and ``MMFER_ALLOW_HTTP=1`` is not set, a redirect
            leads from ``https://`` to another scheme, or the checkpoint cannot be loaded (see
            :func:`load_checkpoint_file`).
        OSError: The download failed.
    """
    if urlsplit(filename).scheme == 'http' and os.environ.get(ALLOW_HTTP) != '1':
        raise CheckpointError(
            f'{filename} was not downloaded: a file that does not come by https:// can be changed '
            f'on its way. Use an https:// URL, or set {ALLOW_HTTP}=1 for http:// in a network that '
            'you trust'
        )
    folder = osp.join(torch.hub.get_dir(), 'checkpoints')
    name = osp.basename(filename.split('?')[0])
    path = osp.join(folder, f'{hashlib.sha256(filename.encode()).hexdigest()[:16]}-{name}')
    if not is_main_process():
        barrier()
    try:
        if not osp.isfile(path):
            print_log(f'Downloading {filename} to {path}', 'current')
            log = partial(print_log, logger='current')
            download(filename, path, schemes=('http', 'https'), log=log)
    finally:
        if is_main_process():
            barrier()
    return load_from_local(path, map_location)


def refuse_scheme(filename: str, map_location: Any = None) -> None:
    """Raise an error; replaces the loaders that unpickle."""
    raise CheckpointError(
        f'{filename} is not loaded: mmfer reads files and https:// URLs. Download the file and '
        'pass its path'
    )


def register_safe_loaders() -> None:
    """Make MMEngine load local files and http(s) URLs through this module, and nothing else.

    ``load_from``, ``resume`` and ``init_cfg=dict(type='Pretrained')`` all use these loaders.
    """
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    CheckpointLoader.register_scheme(('http://', 'https://'), load_from_http, force=True)
    CheckpointLoader.register_scheme(_OTHER_SCHEMES, refuse_scheme, force=True)
