# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Lists of pairs of images for face verification."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmfer.datasets.annotation_files import read_lines
from mmfer.utils.short_list import short_list


class Pair(NamedTuple):
    """Two images and whether they show one person."""

    first: str
    second: str
    same: bool


def read_pairs(path: str | Path) -> list[Pair]:
    """Read lines of two paths and 0 or 1, separated by white space, or by tabs where there are any.

    Empty lines are skipped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is not like that, or says of a pair what another line denies, or there is
            none.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f'there is no pairs file {path} (from {os.getcwd()}); it is named by pairs_file of '
            'FaceVerification'
        )
    pairs = read_lines(path, _read_pair, lambda pair: (frozenset(pair[:2]), pair.same))
    if not pairs:
        raise ValueError(f'the pairs file {path} has no pair')
    return pairs


def _read_pair(line: str) -> Pair:
    words = [word.strip() for word in line.split('\t')] if '\t' in line else line.split()
    if len(words) != 3 or words[2] not in ('0', '1'):
        raise ValueError('not "PATH PATH 1" (one person) or "PATH PATH 0" (two people)')
    return Pair(words[0], words[1], words[2] == '1')


def find_pairs(pairs: Sequence[Pair], paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Find the images of pairs among those that were tested.

    Args:
        pairs (Sequence[Pair]): Their names are the last components of a path, as many as they have.
        paths (Sequence[str]): Images that were tested.

    Returns:
        Indices ``(K, 2)`` into ``paths`` and whether a pair shows one person ``(K,)``.

    Raises:
        ValueError: An image was not tested, or two tested ones could be meant.
    """
    names = {name for pair in pairs for name in (pair.first, pair.second)}
    lengths = {len(Path(name).parts) for name in names}
    found = {}
    for index, path in enumerate(paths):
        parts = Path(path).parts
        for tail in {parts[-length:] for length in lengths}:
            found.setdefault(tail, []).append(index)
    matches = {name: found.get(Path(name).parts, []) for name in names}
    _refuse('were not among the tested ones', [n for n in names if not matches[n]], paths)
    ambiguous = [name for name in names if len(matches[name]) > 1]
    _refuse('match several tested ones (give more of their folders)', ambiguous, paths)
    indices = [[matches[pair.first][0], matches[pair.second][0]] for pair in pairs]
    return np.array(indices), np.array([pair.same for pair in pairs])


def _refuse(problem: str, wrong: list[str], paths: Sequence[str]) -> None:
    if wrong:
        raise ValueError(
            f'{len(wrong)} images of pairs_file {problem}: {short_list(sorted(wrong))}; tested '
            f'were {short_list(paths)}'
        )
