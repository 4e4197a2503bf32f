# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find copies of images: same file, same pixels, changed or mirrored."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .fingerprint import Fingerprint
from .hash_search import search
from .perceptual_hash import MARGINS, MIRROR, distance
from .same_image import similarity

#: Kinds of links between two images -> description: the exact kinds first, then the measured ones.
KINDS = {
    'file': 'same file',
    'pixels': 'same pixels, other file',
    'near': 'same image, changed',
    'mirrored': 'same image, mirrored',
}

#: Smallest similarity of copies of one image, and of pairs that a person should check.
SAME, ALIKE = 0.975, 0.93

# Largest number of different bits between copies: in the first word of a hash, and in all four.
_FIRST_WORD, _ALL_WORDS = 11, 80


@dataclass(frozen=True)
class Link:
    """Two images, by number, that are the same or similar.

    Attributes:
        first (int): Number of one image.
        second (int): Number of the other; larger than ``first``.
        kind (str): A key of :data:`KINDS`, or ``'alike'`` if the similarity is below :data:`SAME`.
        similarity (float): From :data:`ALIKE` to 1.
    """

    first: int
    second: int
    kind: str
    similarity: float = 1.0


def find_exact(fingerprints: Sequence[Fingerprint]) -> list[Link]:
    """Link each copy to the first image with the same bytes, or else with the same pixels."""
    links, files, pixels = [], {}, {}
    for number, fingerprint in enumerate(fingerprints):
        if fingerprint.error:
            continue
        same_file = _first(files, fingerprint.file_digest, number)
        same_pixels = _first(pixels, fingerprint.pixel_digest, number)
        if same_file is not None:
            links.append(Link(same_file, number, 'file'))
        elif same_pixels is not None:
            links.append(Link(same_pixels, number, 'pixels'))
    return links


def find_near(
    fingerprints: Sequence[Fingerprint],
    thumbnails: np.ndarray,
    track: Callable[[Iterable, int], Iterable] = lambda items, total: items,
) -> list[Link]:
    """Link similar images: find candidates by their hashes, then compare their thumbnails.

    Images without a hash are skipped. Of images with the same pixels, only the first is compared.

    Args:
        fingerprints (Sequence[Fingerprint]): Fingerprints of all images.
        thumbnails (np.ndarray): (N, 64, 64) uint8.
        track (Callable[[Iterable, int], Iterable]): Wraps the iterable of candidate pairs to show
            progress, given their number. Defaults to no progress.

    Returns:
        Links of the kinds ``'near'``, ``'mirrored'`` and ``'alike'``. Mirrored pairs below
        :data:`SAME` are omitted, because every frontal face resembles its mirror image.
    """
    copies = {link.second for link in find_exact(fingerprints)}
    numbers = np.array(
        [n for n, f in enumerate(fingerprints) if f.hashes is not None and n not in copies], int
    )
    if not len(numbers):
        return []
    hashes = np.stack([fingerprints[number].hashes for number in numbers])
    best: dict[tuple[int, int], Link] = {}
    pairs = _candidates(hashes)
    for a, b, mirrored in track(pairs.tolist(), len(pairs)):
        first, second = int(numbers[a]), int(numbers[b])
        image = thumbnails[first][:, ::-1] if mirrored else thumbnails[first]
        value = similarity(np.ascontiguousarray(image), thumbnails[second])
        if value < (SAME if mirrored else ALIKE):
            continue
        kind = 'alike' if value < SAME else 'mirrored' if mirrored else 'near'
        known = best.get((first, second))
        if known is None or value > known.similarity:
            best[first, second] = Link(first, second, kind, round(value, 4))
    return sorted(best.values(), key=lambda link: (link.first, link.second))


def groups_of(links: Iterable[Link]) -> list[list[Link]]:
    """Group links into connected components, one list of links per group of images."""
    parent: dict[int, int] = {}

    def root(number: int) -> int:
        while parent.setdefault(number, number) != number:
            number = parent[number]
        return number

    links = list(links)
    for link in links:
        a, b = root(link.first), root(link.second)
        parent[max(a, b)] = min(a, b)
    groups = defaultdict(list)
    for link in links:
        groups[root(link.first)].append(link)
    return [groups[number] for number in sorted(groups)]


def _first(seen: dict, key: Hashable | None, number: int) -> int | None:
    """Return the first image with the key, or None if this image is the first."""
    if key is None:
        return None
    first = seen.setdefault(key, number)
    return None if first == number else first


def _candidates(hashes: np.ndarray) -> np.ndarray:
    """Return pairs with similar hashes, one of the whole image and one with any margin: (n, 3).

    Columns: smaller number, larger number, whether one image is mirrored. Rows are sorted.
    """
    count, found = len(hashes), [np.empty(0, np.int64)]
    for margin in range(len(MARGINS)):
        for mirrored in (False, True):
            queries = hashes[:, margin] ^ MIRROR if mirrored else hashes[:, margin]
            for a, b in search(queries[:, 0], hashes[:, 0, 0], _FIRST_WORD):
                near = (a != b) & (distance(queries[a], hashes[b, 0]) <= _ALL_WORDS)
                low, high = np.minimum(a, b)[near], np.maximum(a, b)[near]
                found.append((low * count + high) * 2 + mirrored)
    codes = np.unique(np.concatenate(found))
    return np.stack([codes // 2 // count, codes // 2 % count, codes % 2], axis=1)
