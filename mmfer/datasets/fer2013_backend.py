# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.fileio import BaseStorageBackend, register_backend

#: Width and height of FER2013's images in pixels.
FER2013_SIZE = 48

_PREFIX = 'fer2013'


class Fer2013Row(NamedTuple):
    """A row of ``fer2013.csv``.

    Attributes:
        offset (int): Start of the row in bytes.
        usage (str): ``Training``, ``PublicTest`` or ``PrivateTest``.
        emotion (str): Number of the expression, as in the file; empty if the table has no such
            column.
    """

    offset: int
    usage: str
    emotion: str


def list_fer2013(path: str | Path) -> Iterator[Fer2013Row]:
    """Find the rows of ``fer2013.csv``.

    Columns are found by their names, so ``icml_face_data.csv``, the same table with the columns in
    another order, works as well.

    Args:
        path (str | Path): The file, 287 MB. It is read once as a stream; no image is kept in
            memory.

    Raises:
        ValueError: The first line does not name the columns, or a row has too few or too many
            fields.
    """
    with open(path, 'rb') as file:
        first = file.readline()
        header = [name.strip().lower() for name in first.decode('utf-8-sig', 'replace').split(',')]
        if not {'usage', 'pixels'} <= set(header):
            raise ValueError(
                f"{path}, line 1: {first[:60]!r} does not name the columns 'pixels' and 'Usage' of "
                'fer2013.csv'
            )
        usage, offset = header.index('usage'), len(first)
        emotion = header.index('emotion') if 'emotion' in header else None
        for number, line in enumerate(file, start=2):
            if line.strip():
                fields = line.decode(errors='replace').split(',')
                if len(fields) != len(header):
                    raise ValueError(
                        f'{path}, line {number}: {len(fields)} fields instead of {len(header)}'
                    )
                label = '' if emotion is None else fields[emotion].strip()
                yield Fer2013Row(offset, fields[usage].strip(), label)
            offset += len(line)


def fer2013_uri(path: str | Path, offset: int, name: str) -> str:
    """Return the URI by which :class:`Fer2013Backend` reads an image.

    Args:
        path (str | Path): ``fer2013.csv``.
        offset (int): Start of the image's row, from :func:`list_fer2013`.
        name (str): Name of the image, only for people; reading ignores it.
    """
    return f'{_PREFIX}://{path}/{offset}/{name}'


@register_backend(_PREFIX, prefixes=_PREFIX, force=True)
class Fer2013Backend(BaseStorageBackend):
    """Read images from ``fer2013.csv`` as if each were a PNG file.

    FER2013 is one table with 2,304 gray values per row. With :func:`fer2013_uri` instead of a path,
    everything that reads files by :mod:`mmengine.fileio`, such as ``LoadFaceImage``, gets that one
    row. So nothing has to be unpacked, kept in memory or loaded by special code.
    """

    def get(self, filepath: str) -> bytes:
        """Read one image.

        Args:
            filepath (str): URI from :func:`fer2013_uri`.

        Returns:
            The content of a PNG file, gray, 48x48.

        Raises:
            OSError: The table is missing, or there is no image at this offset. The message tells
                which.
        """
        path, offset, _ = filepath.removeprefix(f'{_PREFIX}://').rsplit('/', 2)
        with open(path, 'rb') as file:
            file.seek(int(offset))
            fields = next(csv.reader([file.readline().decode(errors='replace')]), [''])
        pixels = _to_grays(max(fields, key=len))  # the only long field, in any column
        if len(pixels) != FER2013_SIZE**2 or not ((pixels >= 0) & (pixels <= 255)).all():
            raise OSError(
                f"the row at byte {offset} of '{path}' does not hold {FER2013_SIZE**2} gray values "
                'of 0 to 255'
            )
        image = pixels.astype(np.uint8).reshape(FER2013_SIZE, FER2013_SIZE)
        return cv2.imencode('.png', image)[1].tobytes()

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        """Raise an error, because images are not text."""
        raise NotImplementedError(f'{filepath} is an image, not text')


def _to_grays(text: str) -> np.ndarray:
    try:
        return np.array(text.split(), np.int64)
    except ValueError:
        return np.empty(0)
