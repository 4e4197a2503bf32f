# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""FER+'s table of votes, FER2013's table of images, and the match between their rows."""

import csv
from collections.abc import Hashable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .annotation_files import read_lines
from .fer2013_backend import fer2013_uri, list_fer2013
from .ferplus_votes import FERPLUS_COLUMNS

#: The two tables.
VOTES_FILE, PIXELS_FILE = 'fer2013new.csv', 'fer2013.csv'

#: Usage of an image -> its folder, as in the authors' code.
FERPLUS_FOLDERS = {
    'Training': 'FER2013Train',
    'PublicTest': 'FER2013Valid',
    'PrivateTest': 'FER2013Test',
}


class VotedImage(NamedTuple):
    """A row of ``fer2013new.csv``.

    Attributes:
        usage (str): A key of :data:`FERPLUS_FOLDERS`.
        name (str): Name of the image; empty if FER+ found no face.
        votes (np.ndarray): (10,), in the order of :data:`.FERPLUS_COLUMNS`.
    """

    usage: str
    name: str
    votes: np.ndarray

    @property
    def shows_face(self) -> bool:
        """Whether the image has a name, and votes for anything but "no face", the last column.

        The votes are needed: the authors' table gives one row without a face the name of another
        image.
        """
        return bool(self.name and self.votes[:-1].any())


def read_votes(path: str | Path) -> list[VotedImage]:
    """Read ``fer2013new.csv``; columns are found by their names.

    Raises:
        ValueError: A column is missing, or a row is wrong. The message names it.
    """
    header: list[str] = []

    def parse(line: str) -> VotedImage | None:
        fields = [field.strip() for field in next(csv.reader([line]))]
        if not header:
            missing = [n for n in ('Usage', 'Image name', *FERPLUS_COLUMNS) if n not in fields]
            if missing:
                raise ValueError(
                    f"does not name the columns {missing}. Use fer2013new.csv of FER+'s current "
                    'version; the first version had no image names'
                )
            header.extend(fields)
            return None
        row = dict(zip(header, fields, strict=False))
        counts = [row.get(name, '') for name in FERPLUS_COLUMNS]
        if row['Usage'] not in FERPLUS_FOLDERS or not all(map(str.isdecimal, counts)):
            raise ValueError(
                f'not a usage of {tuple(FERPLUS_FOLDERS)}, a name and {len(counts)} vote counts'
            )
        return VotedImage(row['Usage'], row['Image name'], np.array(counts, np.int64))

    return [row for row in read_lines(path, parse, _statement) if row is not None]


def _statement(row: VotedImage) -> tuple[Hashable, tuple]:
    """Identify an image by its name; one without a face has no label and gets an id of its own."""
    return row.name if row.shows_face else id(row), (row.usage, *row.votes.tolist())


def locate_pixels(path: str | Path, rows: list[VotedImage]) -> list[str]:
    """Find the image of each row in ``fer2013.csv``, which has the same rows in the same order.

    Returns:
        The paths that :class:`.Fer2013Backend` reads the images by.

    Raises:
        ValueError: The usages of the rows differ.
    """
    found = list(list_fer2013(path))
    if [pixels.usage for pixels in found] != [row.usage for row in rows]:
        raise ValueError(
            f"'{path}' ({len(found)} rows) and {VOTES_FILE} ({len(rows)} rows) do not belong "
            'together: their columns Usage differ. Both must have all rows of the original files, '
            'in the original order'
        )
    return [
        fer2013_uri(path, pixels.offset, row.name) for pixels, row in zip(found, rows, strict=True)
    ]


def find_named_images(data_root: str | Path) -> list[tuple[Path, str]]:
    """List the images that have a name and show a face, with relative file paths for them.

    Args:
        data_root (str | Path): Folder with both tables.

    Returns:
        (path such as ``FER2013Train/fer0000000.png``, path to read the image by), in the order of
        the tables.
    """
    root = Path(data_root).expanduser()
    rows = read_votes(root / VOTES_FILE)
    return [
        (Path(FERPLUS_FOLDERS[row.usage], row.name), uri)
        for row, uri in zip(rows, locate_pixels(root / PIXELS_FILE, rows), strict=True)
        if row.shows_face
    ]
