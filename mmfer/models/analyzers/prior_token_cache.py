# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from mmfer.utils.atomic_file import atomic_write, replacing
from mmfer.utils.file_digest import file_digest

_TOKENS = 'tokens.npy'
_NOTES = 'tokens.json'


class PriorTokenCacheError(RuntimeError):
    """Stored prior tokens that must not be used, or cannot be stored."""


class DamagedTokensError(PriorTokenCacheError):
    """Stored prior tokens that are not what was written."""


class PriorTokenCache:
    """Prior tokens of a whole dataset in a file, instead of the encoders that made them.

    ``tokens.npy`` holds one float32 row a sample, the tokens of all tasks side by side; it is
    mapped into memory, so processes of one machine share it. ``tokens.json`` says what the rows
    were made from, and holds the SHA-256 of what was written. It is written last: without it there
    is no cache. One process builds at a time, by a lock of the caller's.

    Args:
        rows (np.ndarray): ``(N, W)``, float32; row ``i`` belongs to the sample with
            ``sample_idx == i``.
        widths (Mapping[str, int]): By task, in the order of the columns, the width of its token;
            their sum is ``W``.
    """

    def __init__(self, rows: np.ndarray, widths: Mapping[str, int]):
        self.rows = rows
        self.widths = dict(widths)

    def __call__(self, inputs: Tensor, data_samples: Sequence) -> dict[str, Tensor]:
        """The prior tokens of a batch, as :class:`PriorEncoders` computes them.

        Args:
            inputs (Tensor): The images; only their device counts.
            data_samples (Sequence): Their samples, each with its ``sample_idx``.

        Returns:
            dict: By task, ``(B, C_task)``, float32, on the device of ``inputs``.
        """
        indices = [getattr(sample, 'sample_idx', None) for sample in data_samples]
        if None in indices:
            raise PriorTokenCacheError(
                'a sample has no sample_idx, by which its prior tokens are found: PackInputs must '
                "have 'sample_idx' among its meta_keys"
            )
        rows = torch.from_numpy(self.rows[indices]).to(inputs.device)
        return dict(zip(self.widths, rows.split(tuple(self.widths.values()), 1), strict=True))

    @classmethod
    def open(cls, folder: str | Path, key: Mapping[str, Any]) -> 'PriorTokenCache | None':
        """Open the tokens in ``folder``.

        Args:
            folder (str | Path): Where :meth:`build` wrote them.
            key (Mapping[str, Any]): What they have to be made from; plain data without tuples, as
                JSON gives it back.

        Returns:
            None if there are none.

        Raises:
            DamagedTokensError: The files are damaged.
            PriorTokenCacheError: The tokens were made from something else, which is named.
        """
        folder = Path(folder)
        if not (folder / _NOTES).exists():
            return None
        try:
            notes = json.loads((folder / _NOTES).read_text())
            made_from, widths, digest = notes['key'], notes['widths'], notes['sha256']
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(folder / _NOTES, repr(error)) from error
        changes = _differences(made_from, key)
        if changes:
            raise PriorTokenCacheError(
                f'the prior tokens in {folder} were made from something else:\n  '
                + '\n  '.join(changes)
                + '\nTo compute them anew, delete that folder or set rebuild=True of the '
                'PriorTokenCacheHook; to keep them, give it another cache_dir'
            )
        try:
            if file_digest(folder / _TOKENS) != digest:
                raise ValueError('its content is not what was written')
            rows = np.load(folder / _TOKENS, mmap_mode='r', allow_pickle=False)
        except (OSError, ValueError) as error:
            raise _damaged(folder / _TOKENS, str(error)) from error
        return cls(rows, widths)

    @classmethod
    def build(
        cls,
        folder: str | Path,
        key: Mapping[str, Any],
        batches: Iterable[Mapping[str, Tensor]],
        num_samples: int,
    ) -> 'PriorTokenCache':
        """Write tokens to ``folder``, over those that are there, and open them.

        Args:
            folder (str | Path): Made if need be.
            key (Mapping[str, Any]): What the tokens are made from; plain data.
            batches (Iterable[Mapping[str, Tensor]]): The tokens by task, ``(B, C_task)`` each, of
                the samples in their order. More than ``num_samples`` rows are cut off.
            num_samples (int): ``N``.

        Raises:
            PriorTokenCacheError: They cannot be written; nothing half-written is left.
        """
        folder = Path(folder)
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # As long as the notes are missing, the tokens are not believed.
            (folder / _NOTES).unlink(missing_ok=True)
            with replacing(folder / _TOKENS) as file:
                widths, digest = _write_rows(file, batches, num_samples)
            notes = dict(key=key, widths=widths, sha256=digest)
            atomic_write(folder / _NOTES, json.dumps(notes, indent=1).encode())
        return cls.open(folder, key)  # which reads all of it again


class _DataError(Exception):
    """Carries an error of the data set through :func:`_explained`."""


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Errors of the file system say what to do. Those of the data set pass by as they are."""
    try:
        yield
    except _DataError as error:
        raise error.__cause__ from None
    except OSError as error:
        raise PriorTokenCacheError(
            f'the prior tokens could not be written to {folder} ({error.strerror}); nothing '
            'half-written is left. Make room, or give the PriorTokenCacheHook a cache_dir elsewhere'
        ) from error


def _own_errors(batches: Iterable) -> Iterator:
    try:
        yield from batches
    except OSError as error:
        raise _DataError from error


def _write_rows(
    file: BinaryIO, batches: Iterable[Mapping[str, Tensor]], num_samples: int
) -> tuple[dict[str, int], str]:
    """Write an ``.npy`` file of ``num_samples`` rows; return the widths of the tasks and a SHA-256.

    Written and not memory-mapped: a full disk is an error then and not the process' death.
    """
    widths, done, digest = {}, 0, hashlib.sha256()
    for tokens in _own_errors(batches):
        rows = torch.cat(list(tokens.values()), 1)[: num_samples - done]
        done += len(rows)
        content = io.BytesIO()
        if not widths:
            widths = {task: token.shape[1] for task, token in tokens.items()}
            shape = (num_samples, sum(widths.values()))
            header = dict(descr='<f4', fortran_order=False, shape=shape)
            np.lib.format.write_array_header_1_0(content, header)
        content.write(rows.float().cpu().numpy().astype('<f4').tobytes())
        file.write(content.getbuffer())
        digest.update(content.getbuffer())
    if done != num_samples:
        raise PriorTokenCacheError(f'there are tokens of {done} samples instead of {num_samples}')
    return widths, digest.hexdigest()


def _damaged(path: Path, reason: str) -> DamagedTokensError:
    return DamagedTokensError(f'{path} is damaged ({reason})')


def _flatten(value: Any, name: str = '') -> dict[str, Any]:
    """Nested dicts and lists as one dict with dotted names."""
    if isinstance(value, (dict, list)) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        parts = [_flatten(item, f'{name}.{key}' if name else str(key)) for key, item in items]
        return {key: item for part in parts for key, item in part.items()}
    return {name: value}


def _differences(old: Any, new: Any, limit: int = 10) -> list[str]:
    """One line for each entry that is not the same."""
    absent = 'nothing'
    old, new = _flatten(old), _flatten(new)
    names = [n for n in old | new if old.get(n, absent) != new.get(n, absent)]
    lines = [
        f'{name}: {_short(old.get(name, absent))} then, {_short(new.get(name, absent))} now'
        for name in names[:limit]
    ]
    return lines + ([f'and {len(names) - limit} more'] if len(names) > limit else [])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f'{text[:37]}...'
