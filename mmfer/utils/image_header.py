# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the first bytes of a file say: its format, and how large an image is before it is decoded.

Names of files say nothing here: an image is what begins as one.
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

#: Pixels that an image, or a frame of a film, may have; Pillow's limit. The environment variable
#: :data:`LIMIT_VARIABLE` sets another number.
MAX_PIXELS = 178_956_970
LIMIT_VARIABLE = 'MMFER_MAX_PIXELS'

#: Pixels that a side may have: OpenCV turns and resizes no longer ones.
MAX_IMAGE_SIDE = 32_766

#: Formats that are decoded; HEIC and AVIF where :func:`.needed_package` says so.
FORMATS = ('JPEG', 'PNG', 'WebP', 'BMP', 'TIFF', 'GIF', 'AVIF', 'HEIC', 'JPEG 2000', 'PPM')

#: How many bytes at the beginning of a file tell its format.
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
    # Images that are not decoded; they are named as such, not passed over.
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
# Boxes that QuickTime and MP4 files begin with.
_BOXES = (b'ftyp', b'moov', b'mdat', b'wide', b'skip', b'pnot')
_HEIF = (b'heic', b'heix', b'hevc', b'hevx', b'heim', b'heis', b'mif1', b'msf1')
_AUDIO = (b'M4A ', b'M4B ', b'M4P ')

# Tags of TIFF. Bit 0 of the first one tells a preview of another image in the file.
_NEW_SUBFILE_TYPE, _WIDTHS, _HEIGHTS = 254, (256, 322), (257, 323)  # of images, of tiles


class ImageHeaderError(ValueError):
    """An image cannot be decoded, or is not to be; says why, without the name of the file."""


def image_format(head: bytes) -> str | None:
    """The format of an image by the beginning of its file, one of :data:`FORMATS` or another one
    that is not decoded; None for what is no image.
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
    # Letters that a text may begin with: some more is asked of these.
    if head.startswith(b'BM') and head[14:18] in (b'\x0c\0\0\0', b'\x28\0\0\0', b'\x38\0\0\0') + (
        (b'\x40\0\0\0', b'\x6c\0\0\0', b'\x7c\0\0\0')
    ):
        return 'BMP'
    if re.match(rb'P[1-6]\s[\d#]', head):
        return 'PPM'
    return None


def is_video(head: bytes) -> bool:
    """Whether a file is a film, by its beginning."""
    if head.startswith(_VIDEO_STARTS) or (head.startswith(b'RIFF') and head[8:12] == b'AVI '):
        return True
    if head[4:8] in _BOXES:
        return image_format(head) is None and head[8:12] not in _AUDIO
    if head.startswith(b'OggS'):
        return b'theora' in head
    # Packets of an MPEG transport stream; those of cameras have a time before each.
    return any(
        all(head[start + step * i : start + step * i + 1] == b'G' for i in range(4))
        for start, step in ((0, 188), (4, 192))
    )


class ImageSize(NamedTuple):
    """What the header of an image says."""

    format: str  #: One of :data:`FORMATS`.
    width: int  #: Pixels, before the EXIF orientation is obeyed.
    height: int


def image_size(content: bytes) -> ImageSize:
    """Read format and size from the header; nothing is decoded.

    Args:
        content (bytes): The whole file.

    Raises:
        ImageHeaderError: It is no image, or of a format that is not decoded, or damaged; says which
            package is missing for HEIC and AVIF.
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
    except Exception as error:  # whatever a parser makes of bytes that it does not expect
        raise ImageHeaderError(f'its {name} header is damaged or cut off') from error
    if min(size) < 1:
        raise ImageHeaderError(f'its {name} header is damaged, it tells no size')
    return ImageSize(name, *size)


def pixel_limit() -> int:
    """How many pixels an image may have: :data:`MAX_PIXELS` or the number in the environment.

    Raises:
        ValueError: The environment variable is no positive whole number.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return MAX_PIXELS
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f'the environment variable {LIMIT_VARIABLE} is {text!r}; it is how many pixels an '
            'image may have, 1 or more'
        )
    return int(text)


def check_size(width: int, height: int, max_pixels: int | None = None) -> None:
    """Refuse an image, or a frame of a film, that is too large to be decoded.

    Args:
        width (int): Pixels.
        height (int): Pixels.
        max_pixels (int, optional): The limit of their product. Defaults to :func:`pixel_limit`.

    Raises:
        ImageHeaderError: It is too large; says by how much.
    """
    limit = pixel_limit() if max_pixels is None else max_pixels
    if width * height > limit:
        raise ImageHeaderError(
            f'its {width}x{height} pixels are {width * height:,}, more than {limit:,}; make it '
            f'smaller, or allow more by {LIMIT_VARIABLE}=PIXELS'
        )
    if max(width, height) > MAX_IMAGE_SIDE:
        raise ImageHeaderError(
            f'it has {width}x{height} pixels; a side may have {MAX_IMAGE_SIDE} at most'
        )


def check_image(content: bytes, max_pixels: int | None = None) -> ImageSize:
    """:func:`image_size`, and :func:`check_size` of it: to be called before an image is decoded."""
    size = image_size(content)
    check_size(size.width, size.height, max_pixels)
    return size


def pillow_image(content: bytes) -> Image.Image:
    """Open an image in Pillow, whatever its size, for what its header says; it is not decoded.

    Args:
        content (bytes): The whole file, of one of :data:`FORMATS`.

    Raises:
        ImageHeaderError: This Pillow does not know the format.
        Exception: Whatever Pillow makes of a damaged header.
    """
    name = image_format(content[:HEAD]) or ''
    plugin = name.upper().replace(' ', '')
    Image.init()
    if plugin not in Image.OPEN:
        raise ImageHeaderError(f'this Pillow cannot read the header of {name}')
    # The plug-in itself: Image.open has a limit of its own, and tries other formats.
    return Image.OPEN[plugin][0](BytesIO(content), '')


def scan_jpeg(jpeg: bytes) -> tuple[int, tuple[int, int]]:
    """Position of the first start-of-scan marker, the length where there is none, and (width,
    height) of the largest frame before it, (0, 0) where there is none.
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
    """Of a file that begins with a box ``ftyp``: which formats it claims to be."""
    end = min(_big(head[:4]), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]


# Of what a header says more than once, decoders take this or that: the largest counts.


def _jpeg_2000_size(content: bytes) -> tuple[int, int]:
    # Each start of a code stream; the boxes before it are not what is decoded.
    sizes = []
    for start in re.finditer(rb'\xffO\xffQ', content):
        x, y, left, top = struct.unpack_from('>4I', content, start.end() + 4)
        sizes.append((x - left, y - top))
    return max(sizes, key=math.prod)


def _tiff_size(content: bytes) -> tuple[int, int]:
    """Of the first image in the file, and of its tiles."""
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
        raise ImageHeaderError('it begins with a preview, as camera raw does; develop it first')
    return max(found.get(tag, 0) for tag in _WIDTHS), max(found.get(tag, 0) for tag in _HEIGHTS)


def _bmp_size(content: bytes) -> tuple[int, int]:
    if content[14] == 12:
        return struct.unpack_from('<2H', content, 18)
    width, height = struct.unpack_from('<2i', content, 18)
    return width, abs(height)  # below 0 where the first row is the upper one


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
