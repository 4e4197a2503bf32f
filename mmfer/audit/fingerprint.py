# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Fingerprints: the few numbers kept per image during an audit."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmengine import fileio

from mmfer.datasets.transforms import LoadFaceImage, UnreadableImageError
from mmfer.datasets.transforms.annotation_check import misplacement, turn_problem
from mmfer.utils.image_header import HEAD, image_format

from .images import AuditImage
from .perceptual_hash import hash_image
from .same_image import SIZE

#: Format -> suffixes of its files.
_SUFFIXES = {
    'JPEG': ('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    'PNG': ('.png',),
    'BMP': ('.bmp', '.dib'),
    'WebP': ('.webp',),
    'TIFF': ('.tif', '.tiff'),
    'GIF': ('.gif',),
    'AVIF': ('.avif',),
    'HEIC': ('.heic', '.heif', '.hif'),
    'JPEG 2000': ('.jp2', '.j2k', '.j2c', '.jpc', '.jpf', '.jpx'),
    'PPM': ('.ppm', '.pgm', '.pbm', '.pnm', '.pam'),
}
_WITH_ALPHA = ('PNG', 'WebP', 'TIFF', 'GIF', 'AVIF')

_LOAD = LoadFaceImage()
_BLANK = 2.0  # standard deviation of gray values below which an image is blank


@dataclass
class Fingerprint:
    """Facts kept per image. A fingerprint of an unreadable image has only ``error``.

    Attributes:
        error (str, optional): Why the image cannot be read; None if it is readable.
        file_digest (bytes, optional): SHA-256 of the file; None for generated images.
        pixel_digest (bytes, optional): SHA-256 of the decoded pixels and their shape.
        size (tuple[int, int]): (width, height), pixels.
        num_bytes (int): Size of the file; 0 for generated images.
        gray (bool): Whether the image has no color.
        notes (tuple[str, ...]): Oddities of the file itself: suffix, transparency, blank.
        misplaced (tuple[str, ...]): Why boxes or points cannot belong to the image, one text per
            face.
        hashes (np.ndarray, optional): (3, 4) uint64 from
            :func:`~mmfer.audit.perceptual_hash.hash_image`; None for blank images.
        thumbnail (np.ndarray, optional): (64, 64) uint8, gray.
    """

    error: str | None = None
    file_digest: bytes | None = None
    pixel_digest: bytes | None = None
    size: tuple[int, int] = (0, 0)
    num_bytes: int = 0
    gray: bool = False
    notes: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()
    hashes: np.ndarray | None = None
    thumbnail: np.ndarray | None = None


def read_image(source: AuditImage) -> np.ndarray:
    """Read an image as training does: (H, W, 3) uint8, BGR.

    Raises:
        UnreadableImageError: The file is missing, truncated or not an image.
    """
    if source.drawn_by is None:
        return _LOAD({'img_path': source.name})['img']
    dataset, index = source.drawn_by
    image = dataset.prepare_data(index)['img']
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)


def take_fingerprint(source: AuditImage) -> Fingerprint:
    """Read an image and compute its fingerprint. An unreadable image sets ``error``."""
    try:
        image = read_image(source)
    except UnreadableImageError as error:
        return Fingerprint(error=str(error).removeprefix(f"cannot read image '{source.name}': "))
    content = fileio.get(source.name) if source.drawn_by is None else None
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    notes = _notes_on_file(source.name, content) if content else []
    blank = gray.std() < _BLANK
    if blank:
        notes.append('blank, all pixels are about equal')
    height, width = gray.shape
    return Fingerprint(
        file_digest=hashlib.sha256(content).digest() if content else None,
        pixel_digest=hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest(),
        size=(width, height),
        num_bytes=len(content) if content else 0,
        gray=bool((image[..., :1] == image[..., 1:]).all()),
        notes=tuple(notes),
        misplaced=tuple(_misplaced(source, content, (width, height))),
        hashes=None if blank else hash_image(gray),
        thumbnail=cv2.resize(gray, (SIZE, SIZE), interpolation=cv2.INTER_AREA),
    )


def _misplaced(source: AuditImage, content: bytes | None, size: tuple[int, int]) -> list[str]:
    if not (source.faces and content):
        return []
    found = [wrong for face in source.faces if (wrong := misplacement(face, size))]
    turned = turn_problem(content)
    return [*found, turned] if turned else found


def _notes_on_file(name: str, content: bytes) -> list[str]:
    notes = []
    form = image_format(content[:HEAD])
    suffix = Path(name).suffix.lower()
    if suffix not in _SUFFIXES[form]:
        notes.append(f'a {form} file with {f"suffix {suffix}" if suffix else "no suffix"}')
    if form in _WITH_ALPHA:
        whole = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if whole is not None and whole.ndim == 3 and whole.shape[2] == 4:
            opaque = np.iinfo(whole.dtype).max if whole.dtype.kind == 'u' else 1
            if (whole[..., 3] < opaque).any():
                notes.append('transparent parts, which training reads as if they were opaque')
    return notes
