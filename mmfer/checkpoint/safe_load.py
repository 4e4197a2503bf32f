# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read checkpoints without ever running code that they name.

A checkpoint is a pickle, and a pickle may name any function and have it called. Everything here
goes through torch's restricted unpickler (``weights_only=True``), which resolves an allow-list
only; files in the safetensors format hold no pickle at all.

Training checkpoints of stock MMEngine need a little more: their message hub pickles
``HistoryBuffer`` objects, whose class attributes drag in ``builtins.getattr``. Such names are
answered with :class:`Inert` stand-ins that record what the pickle wanted and do nothing, after
which the buffers are rebuilt from the numbers recorded. Any other foreign name refuses the file.
"""

import os
import os.path as osp
import pickle
import re
import struct
import zipfile
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import CheckpointLoader
from mmengine.utils import digit_version

from . import CheckpointError, UnsafeCheckpointError
from .safetensors_file import SUFFIX, read_safetensors
from .state_dicts import unwrap

_HISTORY_BUFFER = 'mmengine.logging.history_buffer.HistoryBuffer'

#: Packages whose objects ride along in stock training checkpoints (configs, dataset notes). They
#: become stand-ins; nothing of them is imported or called.
_INERT_PACKAGES = ('mmengine.', 'mmcv.', 'mmcls.', 'mmpretrain.', 'mmfer.', 'addict.')
_INERT_NAMES = ('builtins.getattr', 'builtins.slice', 'pathlib.PosixPath', 'pathlib.WindowsPath')

_PROGRAM = 'it is a TorchScript archive, which is a program'
_REMEDY = (
    'Use a file that holds only tensors and plain numbers, or open this one on a machine you can '
    'afford to lose and store torch.save(checkpoint["state_dict"], ...) from there.'
)


class Inert:
    """What stands in for a foreign class or function: it records, and does nothing else."""

    foreign_name = ''

    def __new__(cls, *args):
        self = super().__new__(cls)
        self.args, self.state = args, None
        return self

    def __init__(self, *args):
        pass

    def __setstate__(self, state):
        self.state = state

    def __repr__(self):
        return f'<{self.foreign_name}, not loaded>'


def _inert(name: str) -> type[Inert]:
    return type('Inert', (Inert,), {'foreign_name': name})


def _numpy_globals() -> list[tuple[Any, str]]:
    """The few numpy names that arrays and scalars of numbers need, under old and new spelling."""
    multiarray = np.zeros(0).__reduce__()[0].__module__
    reconstruct = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    found = [(np.ndarray, 'numpy.ndarray'), (np.dtype, 'numpy.dtype')]
    for module in {multiarray, 'numpy.core.multiarray', 'numpy._core.multiarray'}:
        found += [(reconstruct, f'{module}._reconstruct'), (scalar, f'{module}.scalar')]
    for kind in '?bhilqBHILQefd':
        dtype = type(np.dtype(kind))
        found.append((dtype, f'{dtype.__module__}.{dtype.__name__}'))
    return found


def _refuse(path: str, reason: str) -> UnsafeCheckpointError:
    return UnsafeCheckpointError(f'{path} was refused: {reason}. Nothing of it was run. {_REMEDY}')


def _refuse_names(path: str, names: Iterable[str]) -> UnsafeCheckpointError:
    return _refuse(
        path,
        f'it asks for {", ".join(sorted(names))}, which a checkpoint has no need of and which '
        'could run code',
    )


def _load_stock(path: str, map_location: Any) -> Any:
    """Load a training checkpoint of stock MMEngine with stand-ins for what is not plain data.

    Raises:
        UnsafeCheckpointError: It names code outside the allow-list.
        pickle.UnpicklingError: Other instructions of its pickle are refused by torch.
    """
    serialization = torch.serialization
    if digit_version(torch.__version__) < digit_version('2.7.0'):
        raise UnsafeCheckpointError(
            f'{path} holds more than tensors and plain numbers, and torch {torch.__version__} '
            'cannot list what: reading training checkpoints of stock MMEngine safely needs '
            'torch >= 2.7.'
        )
    numpy_globals = _numpy_globals()
    known = {name for _, name in numpy_globals}
    try:
        foreign = set(serialization.get_unsafe_globals_in_checkpoint(path)) - known
    except (ValueError, pickle.UnpicklingError, EOFError, UnicodeDecodeError) as error:
        raise _refuse(path, str(error)) from None
    refused = [n for n in foreign if not n.startswith(_INERT_PACKAGES) and n not in _INERT_NAMES]
    if refused:
        raise _refuse_names(path, refused)

    stand_ins = [(_inert(name), name) for name in sorted(foreign)]
    with serialization.safe_globals(numpy_globals + stand_ins):
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    left = set()
    checkpoint = _rebuild(checkpoint, left)
    if left.intersection(_INERT_NAMES[:2]):
        # Fine inside a HistoryBuffer, which is gone by now; anywhere else somebody wants to call.
        raise _refuse_names(path, left)
    if left:
        print_log(f'{path}: not loaded, because they are not plain data: {sorted(left)}', 'current')
    return checkpoint


def _rebuild(value: Any, left: set[str]) -> Any:
    """Turn recorded ``HistoryBuffer`` objects into real ones; collect other stand-ins' names."""
    if isinstance(value, Inert):
        if value.foreign_name == _HISTORY_BUFFER and isinstance(value.state, dict):
            return HistoryBuffer(
                np.asarray(value.state['_log_history'], dtype=np.float64),
                np.asarray(value.state['_count_history']),
                int(value.state.get('max_length', 1000000)),
            )
        left.add(value.foreign_name)
        return value
    if isinstance(value, dict):
        # In place: a state dict is an OrderedDict that carries `_metadata` as an attribute.
        for key, item in value.items():
            value[key] = _rebuild(item, left)
        return value
    if type(value) in (list, tuple):
        return type(value)(_rebuild(item, left) for item in value)
    return value


def load_checkpoint_file(path: str, map_location: Any = 'cpu') -> Any:
    """Read a local checkpoint without running anything it names.

    Reads published weights (``.safetensors``), torch's zip format, torch's older formats when they
    hold tensors and plain numbers only (such as weights saved before torch 1.6), and training
    checkpoints of stock MMEngine (from torch 2.7 on; MMEngine has always written the zip format).
    TorchScript archives are refused.

    Args:
        path: The file; ``~`` is expanded.
        map_location: As in :func:`torch.load`.

    Returns:
        What was saved, usually a dict; ``dict(state_dict=..., meta=...)`` of ``.safetensors``.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: The file is empty, truncated, or no checkpoint.
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
    if path.lower().endswith(SUFFIX):
        return _load_safetensors(path, map_location)
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        # Torch says "weights only load failed" for a foreign name and for bytes that are no pickle.
        if not zipfile.is_zipfile(path):
            raise _not_plain(path, error) from None
        try:
            return _load_stock(path, map_location)
        except pickle.UnpicklingError as second:
            raise _refuse(path, _reason(second)) from None
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, struct.error) as error:
        if 'TorchScript' in str(error):
            raise _refuse(path, _PROGRAM) from None
        raise CheckpointError(
            f'{path} cannot be read: it is truncated or damaged, or no checkpoint at all '
            f'({type(error).__name__}: {_first_line(error)}). Download it or copy it again, or use '
            'an earlier one.'
        ) from error
    if isinstance(content, torch.jit.ScriptModule):  # older versions of torch open programs, too
        raise _refuse(path, _PROGRAM)
    return content


def load_weights(path: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights in a local checkpoint and its ``meta``, read by :func:`load_checkpoint_file`.

    Returns:
        Tensors by name, without ``module.``; and the notes, an empty dict if there are none.

    Raises:
        ValueError: The file holds no named tensors. For others see :func:`load_checkpoint_file`.
    """
    content = load_checkpoint_file(path)
    try:
        return unwrap(content), dict(content.get('meta') or {})
    except ValueError as error:
        raise ValueError(f'{path} is no checkpoint: {error}') from error


def _load_safetensors(path: str, map_location: Any) -> dict:
    # torch.load also takes functions and tables that say where each tensor goes.
    device = map_location if isinstance(map_location, (str, torch.device)) else 'cpu'
    weights, meta = read_safetensors(path, device)
    # Where training checkpoints have the class names.
    notes = dict(meta, dataset_meta=dict(classes=meta['classes'])) if 'classes' in meta else meta
    return dict(state_dict=weights, meta=notes)


def _not_plain(path: str, error: Exception) -> CheckpointError:
    reason = _reason(error)
    if any(word in reason for word in ('GLOBAL', 'reduce', 'build', 'create')):
        return _refuse(path, reason)
    return CheckpointError(
        f'{path} is not a checkpoint that torch.save wrote ({reason}). Check that it is the file '
        'you meant (a web page saved by mistake, a Git LFS pointer and a bare pickle look so). '
        'Nothing of it was run.'
    )


def _reason(error: Exception) -> str:
    """The sentence of torch's message that says what was wrong, without its advice to trust."""
    said = re.findall(r'(?:Trying to|Unsupported|Can only)[^\n]*', str(error))
    return (said[-1] if said else _first_line(error)).split(' Please use')[0].rstrip('. ')


def _first_line(error: Exception) -> str:
    return (str(error).strip() or 'end of file').splitlines()[0]


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

    The main process goes first; the others download only where its folder is not theirs.
    """
    folder = osp.join(torch.hub.get_dir(), 'checkpoints')
    path = osp.join(folder, osp.basename(filename.split('?')[0]))
    if not is_main_process():
        barrier()
    if not osp.isfile(path):
        os.makedirs(folder, exist_ok=True)
        torch.hub.download_url_to_file(filename, path)
    if is_main_process():
        barrier()
    return load_checkpoint_file(path, map_location)


def register_safe_loaders() -> None:
    """Make MMEngine load local files and http(s) addresses through this module.

    ``load_from``, ``resume`` and ``init_cfg=dict(type='Pretrained')`` all end here.
    """
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    CheckpointLoader.register_scheme(('http://', 'https://'), load_from_http, force=True)
