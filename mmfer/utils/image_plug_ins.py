# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Image formats that not every installation reads: HEIC and AVIF."""

from importlib.util import find_spec
from io import BytesIO

import cv2
from PIL import Image, features

#: Formats that may need a package.
PLUG_IN_FORMATS = ('HEIC', 'AVIF')


def needed_package(name: str | None) -> str | None:
    """What pip has to install so that images of a format are read; None where they are read, and
    for formats that are not of :data:`PLUG_IN_FORMATS`.
    """
    if name == 'HEIC' and find_spec('pillow_heif') is None:
        return 'pillow-heif'
    if name == 'AVIF' and not (opencv_reads_avif() or _pillow_reads_avif()):
        return "'pillow>=11.3'"
    return None


def opencv_reads_avif() -> bool:
    """Whether this build of OpenCV has AVIF; it writes it where it reads it."""
    return cv2.haveImageWriter('a.avif')


def _pillow_reads_avif() -> bool:
    # Older ones warn of a feature that they do not know.
    return 'avif' in features.modules and features.check('avif')


def open_by_plug_in(content: bytes, name: str) -> Image.Image:
    """Open an image of one of :data:`PLUG_IN_FORMATS`, whatever its size; it is not decoded yet.

    Args:
        content (bytes): The whole file.
        name (str): Its format, for which :func:`needed_package` is None.

    Returns:
        The image. A HEIC is upright once it is decoded, an AVIF as its EXIF orientation says.

    Raises:
        Exception: Whatever the plug-in makes of a damaged file.
    """
    if name == 'HEIC':
        from pillow_heif import HeifImageFile

        return HeifImageFile(BytesIO(content), '')
    Image.init()
    # The plug-in itself: Image.open has a limit of its own.
    return Image.OPEN['AVIF'][0](BytesIO(content), '')
