# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read the size of a HEIC or AVIF image from the boxes (ISO/IEC 14496-12) of its file."""

import math
import struct
from collections.abc import Iterator

# Boxes that contain boxes, and the number of bytes before these.
_OUTER = {b'meta': 4, b'iprp': 0, b'ipco': 0, b'moov': 0, b'trak': 0}
# If one of these ends after the end of the file, the file is truncated; others may be junk.
_NEEDED = (*_OUTER, b'mdat')


def heif_size(content: bytes) -> tuple[int, int]:
    """Return (width, height) in pixels of the largest image or track, before it is rotated.

    This is the size in the file's header. If the coded images have another size, that is left to
    the decoder, which has its own limit.

    Args:
        content (bytes): The whole file.

    Raises:
        EOFError: The file is truncated.
        ValueError, struct.error: The header has no size.
    """
    return max(_sizes(content, 0, len(content)), key=math.prod)


def _sizes(content: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start + 8 <= end:
        length, kind = struct.unpack_from('>I4s', content, start)
        inside = start + 8
        if length == 1:
            (length,) = struct.unpack_from('>Q', content, inside)
            inside += 8
        stop = start + length if length else end
        if stop > end and kind in _NEEDED:
            raise EOFError
        if not inside <= stop <= end:
            return
        if kind == b'ispe':
            yield struct.unpack_from('>2I', content, inside + 4)
        elif kind == b'tkhd':  # sizes are in 1 / 65,536 of a pixel
            place = inside + (88 if content[inside] == 1 else 76)
            width, height = struct.unpack_from('>2I', content, place)
            yield width >> 16, height >> 16
        elif kind in _OUTER:
            yield from _sizes(content, inside + _OUTER[kind], stop)
        start = stop
