# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Counts, sizes and oddities of the images of a split."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .fingerprint import Fingerprint
from .images import AuditImage

_TINY = 32  # shorter side in pixels; below it, a face is hard to recognize
_LONG = 2.0  # longer side / shorter side
_RARE = 0.1  # a property that at most this share of a split has is odd


def class_counts(images: Sequence[AuditImage]) -> dict[str, int]:
    """Return the number of images of each label, in alphabetical order."""
    return dict(sorted(Counter(p.label for p in images if p.label is not None).items()))


def imbalance(counts: dict[str, int]) -> float | None:
    """Return largest / smallest class; None for fewer than two classes."""
    return max(counts.values()) / min(counts.values()) if len(counts) > 1 else None


def size_statistics(fingerprints: Sequence[Fingerprint]) -> dict:
    """Summarize the sizes of the readable images of a split.

    Returns:
        ``width``, ``height`` (pixels) and ``num_bytes`` as (smallest, median, largest); the most
        common size ``common`` as (width, height) and the number of images ``num_common`` with it;
        and the number of ``gray`` images. Empty if no image is readable.
    """
    good = [fingerprint for fingerprint in fingerprints if not fingerprint.error]
    if not good:
        return {}
    values = np.array([(*fingerprint.size, fingerprint.num_bytes) for fingerprint in good])
    (common, count), *_ = Counter(fingerprint.size for fingerprint in good).most_common(1)
    width, height, num_bytes = (
        (int(column.min()), float(np.median(column)), int(column.max())) for column in values.T
    )
    return dict(
        width=width,
        height=height,
        num_bytes=num_bytes,
        common=common,
        num_common=count,
        gray=sum(fingerprint.gray for fingerprint in good),
    )


def oddities(fingerprints: Sequence[Fingerprint]) -> list[tuple[str, ...]]:
    """Return the oddities of each image of a split: no, one or more short texts per image.

    Odd are: tiny and long images, files with a wrong suffix, transparent and blank images, and gray
    images in a split of color images, or vice versa.
    """
    good = [fingerprint for fingerprint in fingerprints if not fingerprint.error]
    share_gray = sum(fingerprint.gray for fingerprint in good) / max(len(good), 1)
    return [
        () if fingerprint.error else (*fingerprint.notes, *_of_image(fingerprint, share_gray))
        for fingerprint in fingerprints
    ]


def _of_image(fingerprint: Fingerprint, share_gray: float) -> list[str]:
    width, height = fingerprint.size
    notes = []
    if min(width, height) < _TINY:
        notes.append(f'tiny, {width}x{height}')
    if max(width, height) > _LONG * min(width, height):
        notes.append(f'long, {width}x{height}')
    if fingerprint.gray and 0 < share_gray <= _RARE:
        notes.append('gray, while most are in color')
    if not fingerprint.gray and 1 - _RARE <= share_gray < 1:
        notes.append('in color, while most are gray')
    return notes


def shared_people(splits: Sequence[tuple[str, Sequence[AuditImage]]]) -> list[dict]:
    """Return the people in both of two splits, for each pair of splits with known identities.

    Returns:
        Dicts of ``splits`` (two names), ``people`` (in both) and ``of`` (number of people in each).
    """
    people = {name: {p.person for p in images if p.person is not None} for name, images in splits}
    names = [name for name, known in people.items() if known]
    return [
        dict(
            splits=(first, second),
            people=sorted(people[first] & people[second]),
            of=(len(people[first]), len(people[second])),
        )
        for place, first in enumerate(names)
        for second in names[place + 1 :]
    ]
