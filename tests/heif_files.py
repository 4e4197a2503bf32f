# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""HEIC and AVIF files with valid boxes but no image data."""

import struct


def box(kind: str, content: bytes = b'') -> bytes:
    return struct.pack('>I', 8 + len(content)) + kind.encode() + content


def full_box(kind: str, content: bytes = b'', version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]) + content)


def brands(major: str, *others: str) -> bytes:
    return box('ftyp', ''.join([major, '\0\0\0\0', *others]).encode())


def sizes(*each: tuple[int, int]) -> bytes:
    """Return the ``meta`` box, with the sizes of the images."""
    properties = b''.join(full_box('ispe', struct.pack('>2I', *size)) for size in each)
    handler = full_box('hdlr', bytes(20))
    return full_box('meta', handler + box('iprp', box('ipco', box('hvcC', b'abc') + properties)))


def track(width: int, height: int, version: int = 0) -> bytes:
    before = bytes(84 if version == 1 else 72)
    header = full_box('tkhd', before + struct.pack('>2I', width << 16, height << 16), version)
    return box('moov', full_box('mvhd', bytes(96)) + box('trak', header))


def heic(width: int, height: int) -> bytes:
    return brands('heic', 'mif1', 'heic') + sizes((width, height)) + box('mdat', bytes(50))


def avif(width: int, height: int) -> bytes:
    return brands('avif', 'mif1', 'avif') + sizes((width, height)) + box('mdat', bytes(50))
