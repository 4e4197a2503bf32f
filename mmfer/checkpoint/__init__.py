# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Weights on disk: safe loading, safetensors, state dicts, plain data, configs in checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CheckpointError(RuntimeError):
    """Raised for a file that cannot be read as a checkpoint: truncated, damaged, not one."""


class UnsafeCheckpointError(CheckpointError):
    """Raised for a checkpoint that names code outside the allow-list. Nothing in it was run."""


@contextmanager
def damage_explained(path: str | Path) -> Iterator[None]:
    """Turn any exception raised while reading ``path`` into a :class:`CheckpointError`."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # damaged bytes can raise anything, even RecursionError
        reason = (str(error).strip() or 'no reason given').splitlines()[0][:200]
        raise CheckpointError(
            f'{path} cannot be read: it is truncated, damaged, or not a checkpoint '
            f'({type(error).__name__}: {reason}). Nothing in it was run. Download or copy it '
            'again, or use an earlier checkpoint'
        ) from error
