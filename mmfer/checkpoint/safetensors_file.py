# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read and write weights as safetensors: named tensors and text, nothing that could run.

The facts about the weights are stored as JSON under a single key of the format's metadata, because
the library writes several keys in an order that changes from run to run, and equal weights should
give equal files. The facts include a digest of everything else, so that damage is detected
whatever the name of the file.
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
#: Key of the facts for the digest of the weights and the other facts.
_DIGEST = 'sha256'
_DIGITS = 8
_NAMED_DIGEST = re.compile(rf'-([0-9a-f]{{{_DIGITS}}}){re.escape(SUFFIX)}$')


def to_bytes(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bytes:
    """Return the content of a file; equal weights and facts give equal bytes.

    Args:
        weights (Mapping[str, Tensor]): Tensors by name.
        meta (Mapping[str, Any]): The facts, as JSON values; tuples are read back as lists.
    """
    # Clones: the format does not support shared memory, and tied weights may share theirs.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
    return save(tensors, {_KEY: _to_json({**meta, _DIGEST: _digest(tensors, meta)})})


def to_half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert all floating-point weights to half precision (11 significant bits).

    Raises:
        ValueError: A number exceeds the range of half precision, 65504.
    """
    halved = {
        name: value.half() if value.is_floating_point() else value
        for name, value in weights.items()
    }
    for name, value in halved.items():
        if not value.isfinite().all():
            raise ValueError(
                f'{name} has numbers up to {weights[name].abs().max().item():g}, but the largest '
                'of half precision is 65504: publish this model in full precision, without half '
                '(--half)'
            )
    return halved


def _to_json(meta: Mapping[str, Any]) -> str:
    return json.dumps(meta, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _digest(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """Return the digest of all weights (names, types, shapes, numbers) and of the facts."""
    digest = hashlib.sha256(_to_json(meta).encode())
    for name, value in sorted(weights.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def name_with_digest(stem: str, content: bytes) -> str:
    """Add the first digits of the sha256: ``'apvit'`` -> ``'apvit-0123abcd.safetensors'``."""
    return f'{stem}-{hashlib.sha256(content).hexdigest()[:_DIGITS]}{SUFFIX}'


def read_safetensors(
    path: str | Path, device: str | torch.device = 'cpu'
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights and the facts about them.

    The digest in the file is checked, and so is the one in its name, if the name ends in ``-`` and
    eight hexadecimal digits. A file with neither is read with a warning.

    Returns:
        Tensors by name; and the facts, an empty dict for files of other projects.

    Raises:
        CheckpointError: The file is damaged, not in the safetensors format, or does not match the
            digest in its name.
    """
    path = Path(path)
    promised = _check_digest(path)
    with damage_explained(path):
        with safe_open(path, framework='pt', device=str(device)) as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = (file.metadata() or {}).get(_KEY, '{}')
        meta = json.loads(text)
        if not isinstance(meta, dict):
            raise CheckpointError(f'{path}: its metadata is a {type(meta).__name__}, not a dict')
        digest = meta.pop(_DIGEST, None)
        if digest is not None and digest != _digest(weights, meta):
            raise CheckpointError(
                f'{path} was changed or damaged: its weights do not match the sha256 inside it. '
                'Download or copy it again'
            )
    if digest is None and not promised:
        print_log(
            f'{path} has no digest, neither inside nor in its name: damage cannot be detected',
            'current',
            logging.WARNING,
        )
    return weights, meta


def _check_digest(path: Path) -> bool:
    """Return whether the name has a digest; raise if it does not match the file."""
    promised = _NAMED_DIGEST.search(path.name.lower())
    if promised is None:
        return False
    found = file_digest(path)
    if not found.startswith(promised[1]):
        raise CheckpointError(
            f'{path} was changed or damaged: by its name its sha256 begins with {promised[1]}, '
            f'but it begins with {found[:_DIGITS]}. Download or copy it again; if it was changed '
            'on purpose, remove the digits from its name'
        )
    return True
