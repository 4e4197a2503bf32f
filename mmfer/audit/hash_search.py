# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find all pairs of hashes that differ in few bits, without comparing every pair."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from .perceptual_hash import count_bits

_QUARTERS, _QUARTER_BITS = 4, 16
# Number of queries per block; bounds memory to about 100 MB for a million hashes.
_BLOCK = 8192


def search(
    queries: np.ndarray, keys: np.ndarray, limit: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Find every query and key that differ in at most ``limit`` bits, by multi-index hashing.

    See Norouzi, Punjani and Fleet, CVPR 2012. If two words differ in at most ``limit`` bits, one of
    their quarters (16 bits) differs in at most ``limit // 4`` bits. The keys are sorted into 2^16
    buckets for each quarter, and a query reads only the buckets near its own: 137 of 65,536 for a
    limit of 11. The search is exact: it finds the same pairs as comparing all of them.

    Args:
        queries (np.ndarray): (Q,), uint64.
        keys (np.ndarray): (K,), uint64.
        limit (int): Number of bits, 0 to 11. A higher limit would need thousands of buckets per
            query.

    Yields:
        Indices of queries and of keys, (n,) each; n may be 0. No pair is repeated.
    """
    if not 0 <= limit <= 11:
        raise ValueError(f'limit must be 0 to 11 bits, not {limit}')
    if not len(queries) or not len(keys):
        return
    radius = limit // _QUARTERS
    query_parts, key_parts = _quarters(queries), _quarters(keys)
    masks = _masks(radius)
    for quarter in range(_QUARTERS):
        order = np.argsort(key_parts[:, quarter], kind='stable')
        counts = np.bincount(key_parts[:, quarter], minlength=2**_QUARTER_BITS)
        ends = np.cumsum(counts)
        for start in range(0, len(queries), _BLOCK):
            parts = query_parts[start : start + _BLOCK, quarter]
            for mask in masks:
                bucket = parts ^ mask
                inside = counts[bucket]
                total = int(inside.sum())
                if not total:
                    continue
                query = np.repeat(np.arange(len(parts)), inside)
                # Positions within the buckets, 0, 1, … for each query.
                place = np.arange(total) - np.repeat(np.cumsum(inside) - inside, inside)
                key = order[(ends - counts)[bucket][query] + place]
                query += start
                bits = count_bits((queries[query] ^ keys[key])[:, None])
                # Only the first quarter within the radius yields the pair.
                wanted = bits.sum(-1) <= limit
                wanted &= (bits <= radius).argmax(-1) == quarter
                yield query[wanted], key[wanted]


def _quarters(words: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(words)[:, None].view(np.uint16)


def _masks(radius: int) -> np.ndarray:
    """Return all 16-bit numbers with at most ``radius`` ones."""
    chosen = (bits for size in range(radius + 1) for bits in combinations(range(16), size))
    return np.array([sum(1 << bit for bit in bits) for bits in chosen], np.uint16)
