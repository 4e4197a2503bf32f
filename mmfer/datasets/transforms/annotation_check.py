# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check whether boxes and points can belong to their image."""

import numpy as np

from mmfer.utils.image_header import pillow_image

from .face_geometry import bounding_box

#: Keys of a sample with pixel coordinates.
PIXEL_KEYS = ('face_box', 'gt_landmarks')

# Boxes and points of faces at the edge of an image have a larger share than this inside.
_LEAST_INSIDE = 0.25
# In pixels. Anything shorter is a share of the image instead of pixels, or not a face.
_LEAST_SIDE = 2.0
# Start of files of a format, and the marker of the EXIF data, which has the orientation.
_EXIF_MARKS = {
    b'\xff\xd8': b'Exif\0',
    b'\x89PNG': b'eXIf',
    b'RIFF': b'EXIF',
    b'II*\0': b'II*\0',
    b'MM\0*': b'MM\0*',
}
_ORIENTATION = 0x0112


class AnnotationError(ValueError):
    """A box or points cannot belong to their image. The message names the file.

    The only argument is one string, so that a data loader worker can pass the error on unchanged.
    """


def check_box(box: np.ndarray) -> None:
    """Check that a box is valid, independent of the image.

    Args:
        box (np.ndarray): x1, y1, x2, y2, pixels.

    Raises:
        ValueError: A number is not finite, or the box is empty.
    """
    x1, y1, x2, y2 = np.asarray(box, np.float64).tolist()
    if not (np.isfinite([x1, y1, x2, y2]).all() and x1 < x2 and y1 < y2):
        raise ValueError(f'invalid box, x1={x1:g}, y1={y1:g}, x2={x2:g}, y2={y2:g}')


def misplacement(sample: dict, size: tuple[int, int]) -> str | None:
    """Return the reason if the box or the points of a sample cannot belong to its image.

    This is the case if a quarter or less of the box, or of the bounding box of the points, is
    inside the image, or if its longer side is two pixels or less. So annotations for an image of
    another size, or relative to the image size, are found if they exceed these limits; a wrong box
    inside the image is not.

    Args:
        sample (dict): The keys of :data:`PIXEL_KEYS` are checked, if present.
        size (tuple[int, int]): Width and height of the image, pixels.

    Returns:
        The reason, with the box and the size; None if there is no problem.
    """
    for key in PIXEL_KEYS:
        if sample.get(key) is None:
            continue
        value = np.asarray(sample[key], np.float64)
        # Points are pixel centers; a pixel extends half a pixel further.
        box = bounding_box(value) + (-0.5, -0.5, 0.5, 0.5) if value.ndim == 2 else value
        x1, y1, x2, y2 = box.tolist()
        shown = f'{key} {"spans" if value.ndim == 2 else "is"} ({x1:g}, {y1:g}, {x2:g}, {y2:g})'
        if not (x1 < x2 and y1 < y2 and np.isfinite(box).all()):
            return f'{shown}, which is not a valid box'
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
    """Return the EXIF orientation of an image file, 1 (as stored) to 8.

    Args:
        content (bytes): The whole file.
    """
    # Most files have no EXIF data: searching for the marker takes a tenth of the time of Pillow.
    mark = next((mark for start, mark in _EXIF_MARKS.items() if content.startswith(start)), None)
    if mark is None or mark not in content:
        return 1
    try:
        with pillow_image(content) as image:
            orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises various errors for damaged EXIF data
        return 1
    return orientation if orientation in range(1, 9) else 1


def turn_problem(content: bytes) -> str | None:
    """Return why the EXIF orientation makes annotations ambiguous; None if it does not."""
    orientation = turned_by(content)
    if orientation == 1:
        return None
    return (
        f'its EXIF orientation is {orientation}, so it is rotated when it is read, and a box or '
        'points may be for the image before or after that. If they are for the rotated image, '
        'rotate the file itself (exiftran -ai FILE), else remove the orientation (exiftool '
        '-Orientation= FILE)'
    )
