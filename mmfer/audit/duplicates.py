# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Which images are the same: as files, as pixels, as what they show, or as mirror images."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .fingerprint import Fingerprint
from .hash_search import search
from .perceptual_hash import MARGINS, MIRROR, distance
from .same_image import similarity

#: What links two images, from what is certain to what was measured.
KINDS = {
    'file': 'same file',
    'pixels': 'same pixels, other file',
    'near': 'same image, changed',
    'mirrored': 'same image, mirrored',
}

#: Similarity from which two images are one, and from which a person should look at them.
SAME, ALIKE = 0.975, 0.93

# Bits of the first word of a hash, and of all four, in which copies of an image may differ.
_FIRST_WORD, _ALL_WORDS = 11, 80


@dataclass(frozen=True)
class Link:
    """Two images, by their numbers, that are the same or alike.

    Attributes:
        first (int): Number of an image.
        second (int): Of the other; greater.
        kind (str): A key of :data:`KINDS`; ``'alike'`` below :data:`SAME`.
        similarity (float): From :data:`ALIKE` to 1.
    """

    first: int
    second: int
    kind: str
    similarity: float = 1.0


def find_exact(fingerprints: Sequence[Fingerprint]) -> list[Link]:
    """Link each copy to the first image of the same bytes, or else of the same pixels."""
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
    """Link images that show the same, found by their hashes and compared as thumbnails.

    Images without a hash and all but one of the same pixels are left out.

    Args:
        fingerprints (Sequence[Fingerprint]): Of all images.
        thumbnails (np.ndarray): (N, 64, 64) uint8.
        track (Callable[[Iterable, int], Iterable]): Wraps the iterator of pairs to compare, given
            their number, to show progress.

    Returns:
        Links of the kinds ``'near'``, ``'mirrored'`` and ``'alike'``. Mirror images that are alike
        only are not among them: all frontal faces are, more or less.
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
    """Links that hang together, directly or through others, one list for each group of images."""
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
    """Who had the key before; notes the number as the first one where nobody had."""
    if key is None:
        return None
    first = seen.setdefault(key, number)
    return None if first == number else first


def _candidates(hashes: np.ndarray) -> np.ndarray:
    """(n, 3) of pairs whose hashes are near, one whole and one with any margin.

    Columns: the smaller number, the larger one, whether one of them is mirrored. In order.
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
