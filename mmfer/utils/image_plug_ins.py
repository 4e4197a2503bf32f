# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""HEIC and AVIF, which not every installation can read."""

from importlib.util import find_spec
from io import BytesIO

import cv2
from PIL import Image, features

#: Formats that may need a package.
PLUG_IN_FORMATS = ('HEIC', 'AVIF')


def needed_package(name: str | None) -> str | None:
    """Return the package that pip must install to read a format.

    None if the format can be read already or is not one of :data:`PLUG_IN_FORMATS`.
    """
    if name == 'HEIC' and find_spec('pillow_heif') is None:
        return 'pillow-heif'
    if name == 'AVIF' and not (opencv_reads_avif() or _pillow_reads_avif()):
        return "'pillow>=11.3'"
    return None


def opencv_reads_avif() -> bool:
    """Return whether this build of OpenCV reads AVIF; a build that writes it also reads it."""
    return cv2.haveImageWriter('a.avif')


def _pillow_reads_avif() -> bool:
    # Older versions warn about unknown features.
    return 'avif' in features.modules and features.check('avif')


def open_by_plug_in(content: bytes, name: str) -> Image.Image:
    """Open an image in one of :data:`PLUG_IN_FORMATS`, of any size; it is not decoded yet.

    Args:
        content (bytes): The whole file.
        name (str): Its format, for which :func:`needed_package` is None.

    Returns:
        The image. HEIC is upright after decoding; for AVIF the EXIF orientation still applies.

    Raises:
        Exception: Any exception of the plug-in for a damaged file.
    """
    if name == 'HEIC':
        from pillow_heif import HeifImageFile

        return HeifImageFile(BytesIO(content), '')
    Image.init()
    # The plug-in itself: Image.open has its own size limit.
    return Image.OPEN['AVIF'][0](BytesIO(content), '')
