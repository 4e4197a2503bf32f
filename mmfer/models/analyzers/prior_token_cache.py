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
    """Cached prior tokens cannot be used or saved."""


class DamagedTokensError(PriorTokenCacheError):
    """A file of cached prior tokens is damaged."""


class PriorTokenCache:
    """Prior tokens of a whole dataset, read from a file instead of computed by the encoders.

    ``tokens.npy`` has one float32 row per sample, with the tokens of all tasks side by side. It is
    memory-mapped, so the processes of a machine share it. ``tokens.json`` contains everything that
    the tokens depend on, and the SHA-256 of ``tokens.npy``. It is written last; without it the
    cache does not exist. The caller must hold a lock, so that only one process builds at a time.

    Args:
        rows (np.ndarray): ``(N, W)``, float32; row ``i`` belongs to the sample with
            ``sample_idx == i``.
        widths (Mapping[str, int]): Token width by task, in the order of the columns. The sum is
            ``W``.
    """

    def __init__(self, rows: np.ndarray, widths: Mapping[str, int]):
        self.rows = rows
        self.widths = dict(widths)

    def __call__(self, inputs: Tensor, data_samples: Sequence) -> dict[str, Tensor]:
        """Return the prior tokens of a batch, with the interface of :class:`PriorEncoders`.

        Args:
            inputs (Tensor): The images; only their device is used.
            data_samples (Sequence): Their samples, each with a ``sample_idx``.

        Returns:
            dict: By task, ``(B, C_task)``, float32, on the device of ``inputs``.
        """
        indices = [getattr(sample, 'sample_idx', None) for sample in data_samples]
        if None in indices:
            raise PriorTokenCacheError(
                'a sample has no sample_idx, which is needed to find its prior tokens: add '
                "'sample_idx' to the meta_keys of PackInputs"
            )
        rows = torch.from_numpy(self.rows[indices]).to(inputs.device)
        return dict(zip(self.widths, rows.split(tuple(self.widths.values()), 1), strict=True))

    @classmethod
    def open(cls, folder: str | Path, key: Mapping[str, Any]) -> 'PriorTokenCache | None':
        """Open the tokens in ``folder``.

        Args:
            folder (str | Path): The folder that :meth:`build` wrote to.
            key (Mapping[str, Any]): Everything that the tokens depend on; plain data without
                tuples, so that it survives a JSON round trip.

        Returns:
            PriorTokenCache | None: The cache, or None if it does not exist.

        Raises:
            DamagedTokensError: The files are damaged.
            PriorTokenCacheError: The tokens were computed with another key; the message lists the
                differences.
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
                f'the prior tokens in {folder} were computed with other settings:\n  '
                + '\n  '.join(changes)
                + '\nTo recompute them, delete that folder or set rebuild=True in the '
                'PriorTokenCacheHook; to keep them, set another cache_dir there'
            )
        try:
            if file_digest(folder / _TOKENS) != digest:
                raise ValueError('its content has changed since it was written')
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
        """Write tokens to ``folder``, replacing old ones, and open them.

        Args:
            folder (str | Path): Created if it does not exist.
            key (Mapping[str, Any]): Everything that the tokens depend on; plain data.
            batches (Iterable[Mapping[str, Tensor]]): Tokens by task, ``(B, C_task)`` each, with the
                samples in order. Rows after the first ``num_samples`` are dropped.
            num_samples (int): ``N``.

        Raises:
            PriorTokenCacheError: The tokens cannot be written. No partial file is left.
        """
        folder = Path(folder)
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # Without the notes, the cache does not exist.
            (folder / _NOTES).unlink(missing_ok=True)
            with replacing(folder / _TOKENS) as file:
                widths, digest = _write_rows(file, batches, num_samples)
            notes = dict(key=key, widths=widths, sha256=digest)
            atomic_write(folder / _NOTES, json.dumps(notes, indent=1).encode())
        return cls.open(folder, key)  # verifies the files


class _DataError(Exception):
    """Wraps an error of the dataset, so that :func:`_explained` does not explain it."""


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Explain errors of the file system; raise errors of the dataset unchanged."""
    try:
        yield
    except _DataError as error:
        raise error.__cause__ from None
    except OSError as error:
        raise PriorTokenCacheError(
            f'the prior tokens could not be written to {folder} ({error.strerror}); no partial '
            'file is left. Free some space, or set another cache_dir in the PriorTokenCacheHook'
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

    Not memory-mapped, because a full disk would then kill the process instead of raising an error.
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
        raise PriorTokenCacheError(f'got tokens of {done} samples instead of {num_samples}')
    return widths, digest.hexdigest()


def _damaged(path: Path, reason: str) -> DamagedTokensError:
    return DamagedTokensError(f'{path} is damaged ({reason})')


def _flatten(value: Any, name: str = '') -> dict[str, Any]:
    """Flatten nested dicts and lists to one dict with dotted names."""
    if isinstance(value, (dict, list)) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        parts = [_flatten(item, f'{name}.{key}' if name else str(key)) for key, item in items]
        return {key: item for part in parts for key, item in part.items()}
    return {name: value}


def _differences(old: Any, new: Any, limit: int = 10) -> list[str]:
    """List the differing entries, one line each."""
    absent = 'not set'
    old, new = _flatten(old), _flatten(new)
    names = [n for n in old | new if old.get(n, absent) != new.get(n, absent)]
    lines = [
        f'{name}: was {_short(old.get(name, absent))}, is now {_short(new.get(name, absent))}'
        for name in names[:limit]
    ]
    return lines + ([f'and {len(names) - limit} more'] if len(names) > limit else [])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f'{text[:37]}...'
