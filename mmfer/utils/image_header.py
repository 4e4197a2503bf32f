# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Detect the format of a file and the size of an image from its header, before decoding.

File names are ignored; only the content counts.
"""

import math
import os
import re
import struct
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from .heif_header import heif_size
from .image_plug_ins import needed_package

#: Largest number of pixels of an image or a video frame; the same as Pillow's limit. The
#: environment variable :data:`LIMIT_VARIABLE` sets another number.
MAX_PIXELS = 178_956_970
LIMIT_VARIABLE = 'MMFER_MAX_PIXELS'

#: Largest side in pixels: OpenCV cannot rotate or resize larger images.
MAX_IMAGE_SIDE = 32_766

#: Formats that can be decoded; HEIC and AVIF may need a package (:func:`.needed_package`).
FORMATS = ('JPEG', 'PNG', 'WebP', 'BMP', 'TIFF', 'GIF', 'AVIF', 'HEIC', 'JPEG 2000', 'PPM')

#: Number of bytes at the start of a file that are needed to detect its format.
HEAD = 1024

_STARTS = {
    b'\xff\xd8\xff': 'JPEG',
    b'\x89PNG\r\n\x1a\n': 'PNG',
    b'II*\0': 'TIFF',
    b'MM\0*': 'TIFF',
    b'II+\0': 'TIFF',
    b'MM\0+': 'TIFF',
    b'GIF87a': 'GIF',
    b'GIF89a': 'GIF',
    b'\0\0\0\x0cjP  \r\n\x87\n': 'JPEG 2000',
    b'\xffO\xffQ': 'JPEG 2000',
    # Images that cannot be decoded; they are reported, not ignored.
    b'\xff\x0a': 'JPEG XL',
    b'\0\0\0\x0cJXL \r\n\x87\n': 'JPEG XL',
    b'8BPS': 'Photoshop',
    b'v/1\x01': 'OpenEXR',
    b'#?RADIANCE': 'Radiance HDR',
    b'#?RGBE': 'Radiance HDR',
    b'FUJIFILMCCD-RAW': 'camera raw',
    b'IIRO': 'camera raw',
    b'IIU\0': 'camera raw',
}
_VIDEO_STARTS = (
    b'\x1aE\xdf\xa3',  # Matroska, WebM
    b'0&\xb2u\x8ef\xcf\x11',  # ASF, WMV
    b'FLV\x01',
    b'\0\0\x01\xba',  # MPEG program stream
    b'\0\0\x01\xb3',  # MPEG video
    b'.RMF',
    b'YUV4MPEG2',
    b'DKIF',
)
# First boxes of QuickTime and MP4 files.
_BOXES = (b'ftyp', b'moov', b'mdat', b'wide', b'skip', b'pnot')
_HEIF = (b'heic', b'heix', b'hevc', b'hevx', b'heim', b'heis', b'mif1', b'msf1')
_AUDIO = (b'M4A ', b'M4B ', b'M4P ')

# TIFF tags. Bit 0 of the first one marks a preview of another image in the file.
_NEW_SUBFILE_TYPE, _WIDTHS, _HEIGHTS = 254, (256, 322), (257, 323)  # of images, of tiles


class ImageHeaderError(ValueError):
    """Raised for an image that cannot or must not be decoded; says why, without the file name."""


def image_format(head: bytes) -> str | None:
    """Return the format of an image from the start of its file.

    It is one of :data:`FORMATS` or a format that cannot be decoded; None if it is not an image.
    """
    for start, name in _STARTS.items():
        if head.startswith(start):
            return 'camera raw' if name == 'TIFF' and head[8:10] == b'CR' else name
    if head.startswith(b'RIFF') and head[8:12] == b'WEBP':
        return 'WebP'
    if head[4:8] == b'ftyp':
        if b'avif' in _brands(head) or b'avis' in _brands(head):
            return 'AVIF'
        if any(brand in _HEIF for brand in _brands(head)):
            return 'HEIC'
        return 'camera raw' if head[8:12] == b'crx ' else None
    # A text may start with these letters, so more bytes are checked.
    if head.startswith(b'BM') and head[14:18] in (b'\x0c\0\0\0', b'\x28\0\0\0', b'\x38\0\0\0') + (
        (b'\x40\0\0\0', b'\x6c\0\0\0', b'\x7c\0\0\0')
    ):
        return 'BMP'
    if re.match(rb'P[1-6]\s[\d#]', head):
        return 'PPM'
    return None


def is_video(head: bytes) -> bool:
    """Return whether a file is a video, from the start of the file."""
    if head.startswith(_VIDEO_STARTS) or (head.startswith(b'RIFF') and head[8:12] == b'AVI '):
        return True
    if head[4:8] in _BOXES:
        return image_format(head) is None and head[8:12] not in _AUDIO
    if head.startswith(b'OggS'):
        return b'theora' in head
    # Packets of an MPEG transport stream; cameras write a timestamp before each.
    return any(
        all(head[start + step * i : start + step * i + 1] == b'G' for i in range(4))
        for start, step in ((0, 188), (4, 192))
    )


class ImageSize(NamedTuple):
    """Format and size from the header of an image."""

    format: str  #: One of :data:`FORMATS`.
    width: int  #: Pixels, before the EXIF orientation is applied.
    height: int


def image_size(content: bytes) -> ImageSize:
    """Read format and size from the header; nothing is decoded.

    Args:
        content (bytes): The whole file.

    Raises:
        ImageHeaderError: The file is not an image, cannot be decoded, or is damaged. For HEIC and
            AVIF the message names the missing package.
    """
    name = image_format(content[:HEAD])
    if name not in FORMATS:
        what = f'is {name}' if name else 'is damaged, or no image'
        raise ImageHeaderError(f'it {what}; {", ".join(FORMATS)} are read')
    if package := needed_package(name):
        raise ImageHeaderError(f'it is {name}; to read it: pip install {package}')
    try:
        size = _SIZES[name](content)
    except ImageHeaderError:
        raise
    except EOFError as error:
        raise ImageHeaderError(
            f'the file is truncated, it ends after {len(content)} bytes'
        ) from error
    except Exception as error:  # unexpected bytes can raise anything
        raise ImageHeaderError(f'its {name} header is damaged or truncated') from error
    if min(size) < 1:
        raise ImageHeaderError(f'its {name} header is damaged, it has no size')
    return ImageSize(name, *size)


def pixel_limit() -> int:
    """Return the largest allowed number of pixels: :data:`LIMIT_VARIABLE` or :data:`MAX_PIXELS`.

    Raises:
        ValueError: The environment variable is not a positive integer.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return MAX_PIXELS
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f'the environment variable {LIMIT_VARIABLE} is {text!r}; it must be the largest '
            'number of pixels of an image, an integer >= 1'
        )
    return int(text)


def check_size(width: int, height: int, max_pixels: int | None = None) -> None:
    """Check that an image or a video frame is not too large to be decoded.

    Args:
        width (int): In pixels.
        height (int): In pixels.
        max_pixels (int, optional): The limit for width x height. Defaults to :func:`pixel_limit`.

    Raises:
        ImageHeaderError: The image is too large.
    """
    limit = pixel_limit() if max_pixels is None else max_pixels
    if width * height > limit:
        raise ImageHeaderError(
            f'its {width}x{height} pixels are {width * height:,}, more than {limit:,}; make it '
            f'smaller, or raise the limit by {LIMIT_VARIABLE}=PIXELS'
        )
    if max(width, height) > MAX_IMAGE_SIDE:
        raise ImageHeaderError(
            f'it has {width}x{height} pixels; a side may have {MAX_IMAGE_SIDE} at most'
        )


def check_image(content: bytes, max_pixels: int | None = None) -> ImageSize:
    """Read the size and check it by :func:`check_size`; call this before decoding an image."""
    size = image_size(content)
    check_size(size.width, size.height, max_pixels)
    return size


def pillow_image(content: bytes) -> Image.Image:
    """Open an image of any size in Pillow to read its header; it is not decoded.

    Args:
        content (bytes): The whole file, in one of :data:`FORMATS`.

    Raises:
        ImageHeaderError: This version of Pillow does not know the format.
        Exception: Any exception of Pillow for a damaged header.
    """
    name = image_format(content[:HEAD]) or ''
    plugin = name.upper().replace(' ', '')
    Image.init()
    if plugin not in Image.OPEN:
        raise ImageHeaderError(f'the installed Pillow cannot read {name}')
    # The plug-in itself: Image.open has its own size limit and tries other formats.
    return Image.OPEN[plugin][0](BytesIO(content), '')


def scan_jpeg(jpeg: bytes) -> tuple[int, tuple[int, int]]:
    """Find the first start-of-scan marker of a JPEG, and the largest frame before it.

    Returns:
        The position of the marker (the length of the file if there is none), and (width, height) of
        the frame ((0, 0) if there is none).
    """
    position, size = 2, (0, 0)
    while position + 4 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker == 0xDA:
            return position, size
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # these stand alone
            position += 2
        else:
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = (
                    _big(jpeg[position + 5 : position + 7]),
                    _big(jpeg[position + 7 : position + 9]),
                )
                size = max(size, (width, height), key=lambda pair: pair[0] * pair[1])
            position += 2 + _big(jpeg[position + 2 : position + 4])
    return len(jpeg), size


def _brands(head: bytes) -> list[bytes]:
    """Return the brands (formats) listed in the ``ftyp`` box at the start of a file."""
    end = min(_big(head[:4]), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]


# If a header has several sizes, decoders differ in which one they use, so the largest is returned.


def _jpeg_2000_size(content: bytes) -> tuple[int, int]:
    # Sizes of all code streams; decoders ignore the size in the boxes before them.
    sizes = []
    for start in re.finditer(rb'\xffO\xffQ', content):
        x, y, left, top = struct.unpack_from('>4I', content, start.end() + 4)
        sizes.append((x - left, y - top))
    return max(sizes, key=math.prod)


def _tiff_size(content: bytes) -> tuple[int, int]:
    """Return the larger of the size of the first image and that of its tiles."""
    order = '<' if content.startswith(b'II') else '>'
    large = content[2:4] in (b'+\0', b'\0+')
    number, entry, offset = ('Q', 'HHQ8s', 8) if large else ('H', 'HHI4s', 4)
    (place,) = struct.unpack_from(order + ('Q' if large else 'I'), content, offset)
    (count,) = struct.unpack_from(order + number, content, place)
    place += struct.calcsize(order + number)
    found: dict[int, int] = {}
    for _ in range(min(count, 65_535)):
        tag, kind, _, field = struct.unpack_from(order + entry, content, place)
        place += struct.calcsize(order + entry)
        if kind in (1, 3, 4, 16):  # 8, 16, 32 and 64 bits, at the beginning of the field
            kind = {1: 'B', 3: 'H', 4: 'I', 16: 'Q'}[kind]
            found[tag] = max(found.get(tag, 0), struct.unpack_from(order + kind, field)[0])
    if found.get(_NEW_SUBFILE_TYPE, 0) & 1:
        raise ImageHeaderError('it starts with a preview, like camera raw; convert it first')
    return max(found.get(tag, 0) for tag in _WIDTHS), max(found.get(tag, 0) for tag in _HEIGHTS)


def _bmp_size(content: bytes) -> tuple[int, int]:
    if content[14] == 12:
        return struct.unpack_from('<2H', content, 18)
    width, height = struct.unpack_from('<2i', content, 18)
    return width, abs(height)  # negative if the first row is the top row


def _webp_size(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b'VP8X':
        return _little(content[24:27]) + 1, _little(content[27:30]) + 1
    if kind == b'VP8L':
        bits = _little(content[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _little(content[26:28]) & 0x3FFF, _little(content[28:30]) & 0x3FFF


def _pillow_size(content: bytes) -> tuple[int, int]:
    with pillow_image(content) as image:
        return image.size


def _big(field: bytes) -> int:
    return int.from_bytes(field, 'big')


def _little(field: bytes) -> int:
    return int.from_bytes(field, 'little')


_SIZES: dict[str, Callable[[bytes], tuple[int, int]]] = {
    'JPEG': lambda content: scan_jpeg(content)[1],
    'PNG': lambda content: struct.unpack_from('>2I', content, 16),
    'WebP': _webp_size,
    'BMP': _bmp_size,
    'TIFF': _tiff_size,
    'GIF': lambda content: struct.unpack_from('<2H', content, 6),
    'AVIF': heif_size,
    'HEIC': heif_size,
    'JPEG 2000': _jpeg_2000_size,
    'PPM': _pillow_size,
}
