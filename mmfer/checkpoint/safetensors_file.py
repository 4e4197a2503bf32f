# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Weights in files of the safetensors format: named tensors and text, nothing that could run.

What is known about the weights is stored as JSON under one key of the format's metadata. One,
because the library writes several keys in an order that changes from run to run, and the same
weights are to become the same file.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mmfer.utils.file_digest import file_digest

from . import CheckpointError

SUFFIX = '.safetensors'

#: Key of the format's metadata under which everything is stored.
_KEY = 'mmfer'
_DIGITS = 8
_NAMED_DIGEST = re.compile(rf'-([0-9a-f]{{{_DIGITS}}}){re.escape(SUFFIX)}$')


def to_bytes(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bytes:
    """The content of a file; the same for the same weights and facts.

    Args:
        weights: Tensors by name.
        meta: What JSON can hold; lists and tuples both come back as lists.
    """
    # Clones: the format has no shared memory, and tied weights may share theirs.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
    text = json.dumps(meta, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return save(tensors, {_KEY: text})


def name_with_digest(stem: str, content: bytes) -> str:
    """``'apvit'`` -> ``'apvit-0123abcd.safetensors'``, by the first digits of the sha256."""
    return f'{stem}-{hashlib.sha256(content).hexdigest()[:_DIGITS]}{SUFFIX}'


def read_safetensors(
    path: str | Path, device: str | torch.device = 'cpu'
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights and what is known about them.

    A name that ends in ``-`` and eight hexadecimal digits is a promise about the content, and it is
    checked.

    Returns:
        Tensors by name; and the facts, an empty dict for files of other projects.

    Raises:
        CheckpointError: The file is damaged, no safetensors, or not the one its name says.
    """
    path = Path(path)
    _check_digest(path)
    try:
        with safe_open(path, framework='pt', device=str(device)) as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = (file.metadata() or {}).get(_KEY, '{}')
    except SafetensorError as error:
        raise CheckpointError(
            f'{path} cannot be read: it is truncated or damaged, or no safetensors file ({error}). '
            'Download it or copy it again'
        ) from error
    try:
        meta = json.loads(text)
    except json.JSONDecodeError as error:
        raise CheckpointError(f'{path}: its metadata are no JSON ({error})') from error
    if not isinstance(meta, dict):
        raise CheckpointError(f'{path}: its metadata are a {type(meta).__name__}, no dict')
    return weights, meta


def _check_digest(path: Path) -> None:
    promised = _NAMED_DIGEST.search(path.name.lower())
    if promised is None:
        return
    found = file_digest(path)
    if not found.startswith(promised[1]):
        raise CheckpointError(
            f'{path} was altered or damaged: its name says that its sha256 begins with '
            f'{promised[1]}, and it begins with {found[:_DIGITS]}. Download it or copy '
            'it again; if it was changed on purpose, take the digits out of its name'
        )
