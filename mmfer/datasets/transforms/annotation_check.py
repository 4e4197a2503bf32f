# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Whether boxes and points can be about the image that they come with."""

import numpy as np

from mmfer.utils.image_header import pillow_image

from .face_geometry import bounding_box

#: Keys of a sample that are in pixels of its image.
PIXEL_KEYS = ('face_box', 'gt_landmarks')

# Of a face at the edge of an image, detectors and annotators have more than this in the image.
_LEAST_INSIDE = 0.25
# Shorter ones, pixels, are shares of the image instead of pixels, or nothing.
_LEAST_SIDE = 2.0
# How files of a format begin, and what the place is called there that says how to turn the image.
_EXIF_MARKS = {
    b'\xff\xd8': b'Exif\0',
    b'\x89PNG': b'eXIf',
    b'RIFF': b'EXIF',
    b'II*\0': b'II*\0',
    b'MM\0*': b'MM\0*',
}
_ORIENTATION = 0x0112


class AnnotationError(ValueError):
    """A box or points cannot be about the image that they come with. The message names the file.

    It takes one string, so that a data loader's worker process can hand it on unchanged.
    """


def check_box(box: np.ndarray) -> None:
    """Refuse what is no box, whatever the image.

    Args:
        box (np.ndarray): x1, y1, x2, y2, pixels.

    Raises:
        ValueError: A number is not finite, or the box has no extent.
    """
    x1, y1, x2, y2 = np.asarray(box, np.float64).tolist()
    if not (np.isfinite([x1, y1, x2, y2]).all() and x1 < x2 and y1 < y2):
        raise ValueError(f'no box, x1={x1:g}, y1={y1:g}, x2={x2:g}, y2={y2:g}')


def misplacement(sample: dict, size: tuple[int, int]) -> str | None:
    """Say why the box or the points of a sample can hardly be about its image.

    They are refused where no more than a quarter of the box, or of the box around the points, is in
    the image, or where it is no longer than two pixels. Annotations for an image of another size,
    or in shares of the image, are found so wherever they fall outside of that; a box in the image
    beside the face is not.

    Args:
        sample (dict): Whatever it has of :data:`PIXEL_KEYS` is looked at.
        size (tuple[int, int]): Width and height of the image, pixels.

    Returns:
        The reason, with the box and the size; None where all is well.
    """
    for key in PIXEL_KEYS:
        if sample.get(key) is None:
            continue
        value = np.asarray(sample[key], np.float64)
        # The middles of pixels, which reach half a pixel further.
        box = bounding_box(value) + (-0.5, -0.5, 0.5, 0.5) if value.ndim == 2 else value
        x1, y1, x2, y2 = box.tolist()
        shown = f'{key} {"spans" if value.ndim == 2 else "is"} ({x1:g}, {y1:g}, {x2:g}, {y2:g})'
        if not (x1 < x2 and y1 < y2 and np.isfinite(box).all()):
            return f'{shown}, which is no box'
        if max(x2 - x1, y2 - y1) <= _LEAST_SIDE:
            return f'{shown}, {_LEAST_SIDE:g} pixels or less; are these pixels?'
        width = min(x2, size[0] - 0.5) - max(x1, -0.5)
        height = min(y2, size[1] - 0.5) - max(y1, -0.5)
        share = max(width, 0) * max(height, 0) / ((x2 - x1) * (y2 - y1))
        if share <= _LEAST_INSIDE:
            return (
                f'{shown}, of which {share:.0%} is in the image of {size[0]}x{size[1]}; is it for '
                'an image of another size?'
            )
    return None


def turned_by(content: bytes) -> int:
    """The EXIF orientation of an image file, 1 (as stored) to 8.

    Args:
        content (bytes): The whole file.
    """
    # Most files have none: to look for the mark takes a tenth of the time that Pillow takes.
    mark = next((mark for start, mark in _EXIF_MARKS.items() if content.startswith(start)), None)
    if mark is None or mark not in content:
        return 1
    try:
        with pillow_image(content) as image:
            orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever Pillow makes of damaged EXIF
        return 1
    return orientation if orientation in range(1, 9) else 1


def turn_problem(content: bytes) -> str | None:
    """Say why nobody can know which pixels the annotations of a file are in; None where one can."""
    orientation = turned_by(content)
    if orientation == 1:
        return None
    return (
        f'its EXIF orientation is {orientation}, so it is turned when it is read, and a box or '
        'points may be for the image before or after that. Turn the file itself (exiftran -ai '
        'FILE) if they are for the image as people see it, else remove the mark (exiftool '
        '-Orientation= FILE)'
    )
