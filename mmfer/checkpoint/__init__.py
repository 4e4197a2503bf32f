# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Weights on disk: safe loading, safetensors, state dicts, plain data, configs in checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CheckpointError(RuntimeError):
    """A file that cannot be read as a checkpoint: truncated, damaged, or of another kind."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint that names code outside the allow-list. Nothing of it was run."""


@contextmanager
def damage_explained(path: str | Path) -> Iterator[None]:
    """Raise :class:`CheckpointError` for whatever reading the content of ``path`` raises."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # odd bytes can raise anything, down to RecursionError
        said = (str(error).strip() or 'no reason given').splitlines()[0][:200]
        raise CheckpointError(
            f'{path} cannot be read: it is truncated or damaged, or no checkpoint at all '
            f'({type(error).__name__}: {said}). Nothing of it was run. Download it or copy it '
            'again, or use an earlier one'
        ) from error
