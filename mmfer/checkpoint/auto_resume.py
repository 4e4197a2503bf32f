# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find the checkpoint from which an interrupted run goes on."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from . import CheckpointError
from .safe_load import load_checkpoint_file
from .state_dicts import check_numbers, named_tensors

_NUMBERED = re.compile(r'(?P<kind>epoch|iter)_(?P<number>\d+)\.pth')
_NEEDED = ('meta', 'state_dict', 'optimizer', 'message_hub')

#: Key of a checkpoint under which stands how much it holds.
CONTENTS = 'contents'


def list_checkpoints(work_dir: str | Path) -> list[Path]:
    """Training checkpoints of ``work_dir``, newest first.

    ``epoch_N.pth`` and ``iter_N.pth`` are ordered by their number, because times change when a
    folder is copied. The file ``last_checkpoint`` is only a hint: it holds the absolute path of the
    run's first folder, and a killed run leaves it one checkpoint behind. Its name decides which
    kind goes first, and is tried first when it fits neither pattern.
    """
    work_dir = Path(work_dir)
    hint = work_dir / 'last_checkpoint'
    last = Path(hint.read_text(errors='replace').strip()).name if hint.is_file() else ''
    # Unlike glob(), a listing tells of a folder that cannot be read.
    names = os.listdir(work_dir) if work_dir.is_dir() else []
    matches = [match for name in names if (match := _NUMBERED.fullmatch(name))]
    matches.sort(
        key=lambda m: (last.startswith(m['kind']), int(m['number']), m['kind']), reverse=True
    )
    found = [work_dir / m[0] for m in matches]
    if last in names and work_dir / last not in found:
        found.insert(0, work_dir / last)
    return found


def note_contents(checkpoint: dict) -> None:
    """Write into a checkpoint how many numbers and other values each of its parts has."""
    checkpoint[CONTENTS] = {key: _size(part) for key, part in checkpoint.items() if key != CONTENTS}


def _size(part: Any) -> int:
    if isinstance(part, torch.Tensor):
        return part.numel()
    if isinstance(part, Mapping):
        return len(part) + sum(map(_size, part.values()))
    if isinstance(part, (list, tuple, set)):
        return len(part) + sum(map(_size, part))
    return 1


def why_incomplete(checkpoint: Mapping) -> str:
    """Say what a run that goes on from ``checkpoint`` would lack; empty if nothing.

    Args:
        checkpoint (Mapping): As it stands in the file.
    """
    missing = [key for key in _NEEDED if not isinstance(checkpoint.get(key), Mapping)]
    noted = checkpoint.get(CONTENTS, {})
    if not isinstance(noted, Mapping) or not all(isinstance(n, int) for n in noted.values()):
        return f'its {CONTENTS} are not the numbers of its values'
    missing += [key for key in noted if key not in checkpoint and key not in missing]
    if missing:
        return f'it has no {", ".join(map(str, missing))}'
    for key, wanted in noted.items():
        if (found := _size(checkpoint[key])) < wanted:
            return f'of its {key} there are {found} of {wanted} values, so something was lost'
    if not all(isinstance(checkpoint['meta'].get(key), int) for key in ('epoch', 'iter')):
        return 'its meta does not say at which epoch and iter it was saved'
    try:
        check_numbers(checkpoint['state_dict'])
        check_numbers(dict(named_tensors(checkpoint['optimizer'], 'optimizer')))
    except ValueError as error:
        return str(error)
    return ''


def why_not_resumable(path: Path) -> str:
    """Say why a run cannot go on from ``path``; empty if it can. Reads the whole file."""
    try:
        checkpoint = load_checkpoint_file(str(path))
    except (CheckpointError, OSError) as error:
        return str(error)
    if not isinstance(checkpoint, dict):
        return f'it holds a {type(checkpoint).__name__}, not a dict'
    return why_incomplete(checkpoint)


def find_resumable(work_dir: str | Path) -> tuple[Path | None, dict[Path, str]]:
    """Return the newest checkpoint that loads, and the newer ones that do not with the reason.

    Args:
        work_dir (str | Path): Folder of the run; it need not exist.
    """
    skipped = {}
    for path in list_checkpoints(work_dir):
        reason = why_not_resumable(path)
        if not reason:
            return path, skipped
        skipped[path] = reason
    return None, skipped
