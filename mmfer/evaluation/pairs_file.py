# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read lists of image pairs for face verification."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmfer.datasets.annotation_files import read_lines
from mmfer.utils.short_list import short_list


class Pair(NamedTuple):
    """Two images, and whether they show the same person."""

    first: str
    second: str
    same: bool


def read_pairs(path: str | Path) -> list[Pair]:
    """Read lines of two paths and 0 or 1, separated by tabs, or by white space if there is no tab.

    Empty lines are skipped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line has another form, two lines contradict each other, or there is no pair.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f'there is no pairs file {path} (from {os.getcwd()}); set pairs_file of '
            'FaceVerification'
        )
    pairs = read_lines(path, _read_pair, lambda pair: (frozenset(pair[:2]), pair.same))
    if not pairs:
        raise ValueError(f'the pairs file {path} has no pair')
    return pairs


def _read_pair(line: str) -> Pair:
    words = [word.strip() for word in line.split('\t')] if '\t' in line else line.split()
    if len(words) != 3 or words[2] not in ('0', '1'):
        raise ValueError('not "PATH PATH 1" (same person) or "PATH PATH 0" (two people)')
    return Pair(words[0], words[1], words[2] == '1')


def find_pairs(pairs: Sequence[Pair], paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Find the images of pairs among the tested images.

    Args:
        pairs (Sequence[Pair]): The pairs. Their paths may lack leading folders.
        paths (Sequence[str]): Paths of the tested images.

    Returns:
        Indices ``(K, 2)`` into ``paths``, and whether each pair shows one person ``(K,)``.

    Raises:
        ValueError: An image was not tested, or its path matches several tested images.
    """
    names = {name for pair in pairs for name in (pair.first, pair.second)}
    lengths = {len(Path(name).parts) for name in names}
    found = {}
    for index, path in enumerate(paths):
        parts = Path(path).parts
        for tail in {parts[-length:] for length in lengths}:
            found.setdefault(tail, []).append(index)
    matches = {name: found.get(Path(name).parts, []) for name in names}
    _refuse('were not tested', [n for n in names if not matches[n]], paths)
    ambiguous = [name for name in names if len(matches[name]) > 1]
    _refuse('match several tested images (add more of their folders)', ambiguous, paths)
    indices = [[matches[pair.first][0], matches[pair.second][0]] for pair in pairs]
    return np.array(indices), np.array([pair.same for pair in pairs])


def _refuse(problem: str, wrong: list[str], paths: Sequence[str]) -> None:
    if wrong:
        raise ValueError(
            f'{len(wrong)} images of pairs_file {problem}: {short_list(sorted(wrong))}; the tested '
            f'images are {short_list(paths)}'
        )
