# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write small synthetic UTKFace, WFLW, CFP and AffectNet-HQ datasets, for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

WFLW_LISTS = 'WFLW_annotations/list_98pt_rect_attr_train_test'


def write_image(path: Path, height: int = 24, width: int = 24) -> None:
    """Write an image of noise that depends on the last two parts of the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list('/'.join(path.parts[-2:]).encode()))
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


def write_utkface(root: Path, names: Sequence[str]) -> Path:
    """Write images with these names, which contain the labels."""
    for name in names:
        write_image(root / name)
    return root


def utkface_names(count: int) -> list[str]:
    """Return names as in the aligned release, with ages cycling from 1 to 116."""
    return [
        f'{i % 116 + 1}_{i % 2}_{i % 5}_{20170116000000000 + i}.jpg.chip.jpg' for i in range(count)
    ]


def wflw_line(name: str, shift: float = 0, attributes: str = '0 0 0 0 0 0') -> str:
    """Return a line of WFLW's lists: point i is at (10 + i / 2 + shift, 20 + i / 4)."""
    points = ' '.join(f'{10 + i / 2 + shift:.6f} {20 + i / 4:.6f}' for i in range(98))
    return f'{points} {8 + shift:.0f} 18 {60 + shift:.0f} 46 {attributes} {name}'


def write_wflw(root: Path, train: Sequence[str], test: Sequence[str] = ()) -> Path:
    """Write the lists, with lines as from :func:`wflw_line`, and 64x80 images."""
    (root / WFLW_LISTS).mkdir(parents=True)
    (root / 'WFLW_images').mkdir()
    for part, lines in (('train', train), ('test', test)):
        path = root / WFLW_LISTS / f'list_98pt_rect_attr_{part}.txt'
        path.write_text(''.join(f'{line}\n' for line in lines))
        for line in lines:
            write_image(root / 'WFLW_images' / line.split()[-1], 64, 80)
    return root


def write_cfp(root: Path, people: Sequence[int] = (1, 2, 3)) -> Path:
    """Write ten frontal images and one profile image per person."""
    for person in people:
        folder = root / f'Data/Images/{person:03d}'
        for image in range(1, 11):
            write_image(folder / f'frontal/{image:02d}.jpg')
        write_image(folder / 'profile/01.jpg')
    return root


def write_folders(root: Path, counts: Mapping[str, int]) -> Path:
    """Write ``count`` images into each folder: 00000.jpg, 00001.jpg, …"""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            write_image(root / folder / f'{number:05d}.jpg')
    return root
