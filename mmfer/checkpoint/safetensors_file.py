# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Weights in files of the safetensors format: named tensors and text, nothing that could run.

What is known about the weights is stored as JSON under one key of the format's metadata. One,
because the library writes several keys in an order that changes from run to run, and the same
weights are to become the same file. A digest of all else is among it, so that damage is seen
whatever the file is called.
"""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from mmfer.utils.file_digest import file_digest

from . import CheckpointError, damage_explained

SUFFIX = '.safetensors'

#: Key of the format's metadata under which everything is stored.
_KEY = 'mmfer'
#: Key among the facts, for the digest of the weights and the other facts.
_DIGEST = 'sha256'
_DIGITS = 8
_NAMED_DIGEST = re.compile(rf'-([0-9a-f]{{{_DIGITS}}}){re.escape(SUFFIX)}$')


def to_bytes(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bytes:
    """The content of a file; the same for the same weights and facts.

    Args:
        weights (Mapping[str, Tensor]): Tensors by name.
        meta (Mapping[str, Any]): What JSON can hold; lists and tuples both come back as lists.
    """
    # Clones: the format has no shared memory, and tied weights may share theirs.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
    return save(tensors, {_KEY: _to_json({**meta, _DIGEST: _digest(tensors, meta)})})


def to_half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights with all floating-point numbers in half precision, which have 11 significant bits.

    Raises:
        ValueError: A number is beyond the range of half precision, 65504.
    """
    halved = {
        name: value.half() if value.is_floating_point() else value
        for name, value in weights.items()
    }
    for name, value in halved.items():
        if not value.isfinite().all():
            raise ValueError(
                f'{name} has numbers up to {weights[name].abs().max().item():g}, and half '
                'precision ends at 65504: publish this model in full precision, without half '
                '(--half)'
            )
    return halved


def _to_json(meta: Mapping[str, Any]) -> str:
    return json.dumps(meta, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _digest(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """Of names, types, shapes and numbers of all weights, and of the facts."""
    digest = hashlib.sha256(_to_json(meta).encode())
    for name, value in sorted(weights.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def name_with_digest(stem: str, content: bytes) -> str:
    """``'apvit'`` -> ``'apvit-0123abcd.safetensors'``, by the first digits of the sha256."""
    return f'{stem}-{hashlib.sha256(content).hexdigest()[:_DIGITS]}{SUFFIX}'


def read_safetensors(
    path: str | Path, device: str | torch.device = 'cpu'
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights and what is known about them.

    The digest in the file is checked, and so is that in its name: one that ends in ``-`` and eight
    hexadecimal digits. A file without either is read, and the log says that damage is not seen.

    Returns:
        Tensors by name; and the facts, an empty dict for files of other projects.

    Raises:
        CheckpointError: The file is damaged, no safetensors, or not the one its name says.
    """
    path = Path(path)
    promised = _check_digest(path)
    with damage_explained(path):
        with safe_open(path, framework='pt', device=str(device)) as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = (file.metadata() or {}).get(_KEY, '{}')
        meta = json.loads(text)
        if not isinstance(meta, dict):
            raise CheckpointError(f'{path}: its metadata are a {type(meta).__name__}, no dict')
        digest = meta.pop(_DIGEST, None)
        if digest is not None and digest != _digest(weights, meta):
            raise CheckpointError(
                f'{path} was altered or damaged: its weights are not those that its sha256 was '
                'made of. Download it or copy it again'
            )
    if digest is None and not promised:
        print_log(
            f'{path} has no digest, neither inside nor in its name: damage to it cannot be seen',
            'current',
            logging.WARNING,
        )
    return weights, meta


def _check_digest(path: Path) -> bool:
    """Whether the name promises a digest; raises if it is not that of the file."""
    promised = _NAMED_DIGEST.search(path.name.lower())
    if promised is None:
        return False
    found = file_digest(path)
    if not found.startswith(promised[1]):
        raise CheckpointError(
            f'{path} was altered or damaged: its name says that its sha256 begins with '
            f'{promised[1]}, and it begins with {found[:_DIGITS]}. Download it or copy '
            'it again; if it was changed on purpose, take the digits out of its name'
        )
    return True
