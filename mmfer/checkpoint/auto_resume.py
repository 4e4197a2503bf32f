# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find the checkpoint from which an interrupted run can resume."""

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

#: Checkpoint key for the number of values in each of its entries.
CONTENTS = 'contents'


def list_checkpoints(work_dir: str | Path) -> list[Path]:
    """List the training checkpoints in ``work_dir``, newest first.

    ``epoch_N.pth`` and ``iter_N.pth`` are sorted by their number, because file times change when a
    folder is copied. The file ``last_checkpoint`` is only a hint: it holds an absolute path in the
    folder where the run started, and a killed run leaves it one checkpoint behind. The file name in
    it decides whether ``epoch`` or ``iter`` comes first. If it matches neither pattern, that file
    comes first.
    """
    work_dir = Path(work_dir)
    hint = work_dir / 'last_checkpoint'
    last = Path(hint.read_text(errors='replace').strip()).name if hint.is_file() else ''
    # Unlike glob(), listdir() raises if the folder cannot be read.
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
    """Store in a checkpoint how many numbers and other values each of its entries has."""
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
    """Return what ``checkpoint`` lacks for resuming; an empty string if nothing.

    Args:
        checkpoint (Mapping): The content of the file, unchanged.
    """
    missing = [key for key in _NEEDED if not isinstance(checkpoint.get(key), Mapping)]
    noted = checkpoint.get(CONTENTS, {})
    if not isinstance(noted, Mapping) or not all(isinstance(n, int) for n in noted.values()):
        return f'its {CONTENTS} are not a dict of integers'
    missing += [key for key in noted if key not in checkpoint and key not in missing]
    if missing:
        return f'it has no {", ".join(map(str, missing))}'
    for key, wanted in noted.items():
        if (found := _size(checkpoint[key])) < wanted:
            return f'its {key} has {found} of {wanted} values, so some were lost'
    if not all(isinstance(checkpoint['meta'].get(key), int) for key in ('epoch', 'iter')):
        return 'its meta has no epoch and iter as integers'
    try:
        check_numbers(checkpoint['state_dict'])
        check_numbers(dict(named_tensors(checkpoint['optimizer'], 'optimizer')))
    except ValueError as error:
        return str(error)
    return ''


def why_not_resumable(path: Path) -> str:
    """Return why a run cannot resume from ``path``; an empty string if it can.

    Reads the whole file.
    """
    try:
        checkpoint = load_checkpoint_file(str(path))
    except (CheckpointError, OSError) as error:
        return str(error)
    if not isinstance(checkpoint, dict):
        return f'it holds a {type(checkpoint).__name__}, not a dict'
    return why_incomplete(checkpoint)


def find_resumable(work_dir: str | Path) -> tuple[Path | None, dict[Path, str]]:
    """Find the newest checkpoint that loads.

    Args:
        work_dir (str | Path): Folder of the run; it need not exist.

    Returns:
        The checkpoint, None if there is none; and the newer ones that were skipped, with the
        reason.
    """
    skipped = {}
    for path in list_checkpoints(work_dir):
        reason = why_not_resumable(path)
        if not reason:
            return path, skipped
        skipped[path] = reason
    return None, skipped
