# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Decode images from untrusted clients, after checks of their headers."""

from dataclasses import dataclass

import numpy as np

from mmfer.datasets.transforms.load_face_image import decode_image
from mmfer.utils.image_header import ImageHeaderError, image_format, image_size

_FORMATS = ('JPEG', 'PNG', 'WebP', 'BMP')
_THINNEST = 100
# Each scan of a progressive JPEG covers the whole image; cameras and editors write about ten.
_JPEG_SCANS = 100
_JPEG_SCAN = b'\xff\xda'
FORMATS_TEXT = 'JPEG, PNG, WebP or BMP'

MEGABYTE = 1_000_000
MEGAPIXEL = 1_000_000


class RefusedUploadError(ValueError):
    """An image is rejected; the message is for the client.

    Attributes:
        status: Status of the HTTP response: 408 too slow, 413 too large, 415 another format, 422
            not readable, 503 too many at once.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class UploadLimits:
    """Limits of uploaded images.

    Attributes:
        max_bytes (int): File size. Defaults to 10 MB.
        max_pixels (int): Width times height. Defaults to 25 million.
        max_seconds (float): Time from the first byte of a file to the last. Defaults to 30.

    Raises:
        ValueError: ``max_bytes`` or ``max_pixels`` is below 1.
    """

    max_bytes: int = 10 * MEGABYTE
    max_pixels: int = 25 * MEGAPIXEL
    max_seconds: float = 30

    def __post_init__(self):
        for name in ('max_bytes', 'max_pixels'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be 1 or more, not {getattr(self, name)}')

    def check_bytes(self, count: int) -> None:
        """Check the size of a file, or of the part received so far.

        Raises:
            RefusedUploadError: ``count`` is above the limit.
        """
        if count > self.max_bytes:
            megabytes = self.max_bytes / MEGABYTE
            raise RefusedUploadError(413, f'The file is larger than {megabytes:g} MB.')

    def check_pixels(self, count: float) -> None:
        """Check the number of pixels of an image.

        Raises:
            RefusedUploadError: ``count`` is above the limit.
        """
        if count > self.max_pixels:
            megapixels = self.max_pixels / MEGAPIXEL
            raise RefusedUploadError(413, f'The image has more than {megapixels:g} megapixels.')


def decode_upload(content: bytes, limits: UploadLimits) -> np.ndarray:
    """Decode an uploaded file.

    Format and size are read from its header first, so that a small file cannot expand to a huge
    image in memory.

    Args:
        content (bytes): The whole file.
        limits (UploadLimits): The limits of the image.

    Returns:
        uint8 (H, W, 3) in BGR, rotated by its EXIF orientation.

    Raises:
        RefusedUploadError: It is too large, too thin, of another format, truncated or damaged.
    """
    limits.check_bytes(len(content))
    if image_format(content) not in _FORMATS:
        raise RefusedUploadError(415, f'This is not a supported image; send {FORMATS_TEXT}.')
    try:
        name, width, height = image_size(content)
        limits.check_pixels(width * height)
        if name == 'JPEG' and content.count(_JPEG_SCAN) > _JPEG_SCANS:
            raise RefusedUploadError(
                422, f'The image is a JPEG with more than {_JPEG_SCANS} scans; save it again.'
            )
        if max(width, height) > _THINNEST * min(width, height):
            raise RefusedUploadError(
                422,
                f'The image has {width}x{height} pixels: one side is more than {_THINNEST} times '
                'the other, which leaves no room for a face.',
            )
        return decode_image(content, max_pixels=limits.max_pixels)
    except ImageHeaderError as error:
        raise RefusedUploadError(422, f'The image cannot be read: {error}.') from error
