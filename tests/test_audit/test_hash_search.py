# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mmfer.audit import hash_search
from mmfer.audit.hash_search import search


def near_words(rng, count=300):
    """Return random words, many of them copies of others with up to 16 changed bits."""
    words = rng.integers(0, 2**64, count, dtype=np.uint64)
    for place in range(count // 3, count):
        flips = rng.choice(64, rng.integers(0, 17), replace=False)
        mask = sum(1 << int(bit) for bit in flips)
        words[place] = words[rng.integers(count // 3)] ^ np.uint64(mask)
    return words


def brute_force(queries, keys, limit):
    return {
        (i, j)
        for i, query in enumerate(queries.tolist())
        for j, key in enumerate(keys.tolist())
        if (query ^ key).bit_count() <= limit
    }


def found_by(queries, keys, limit):
    pairs = [
        pair
        for first, second in search(queries, keys, limit)
        for pair in zip(first.tolist(), second.tolist(), strict=True)
    ]
    assert len(pairs) == len(set(pairs)), 'a pair is repeated'
    return set(pairs)


@pytest.mark.parametrize('limit', [0, 3, 4, 7, 11])
def test_finds_what_comparing_all_pairs_finds(limit):
    rng = np.random.default_rng(limit)
    queries, keys = near_words(rng), near_words(np.random.default_rng(limit))
    keys = np.concatenate([keys, rng.integers(0, 2**64, 100, dtype=np.uint64)])
    expected = brute_force(queries, keys, limit)
    assert len(expected) >= 300
    assert found_by(queries, keys, limit) == expected


def test_blocks_of_queries_change_nothing(monkeypatch):
    words = near_words(np.random.default_rng(1))
    whole = found_by(words, words, 11)
    monkeypatch.setattr(hash_search, '_BLOCK', 7)
    assert found_by(words, words, 11) == whole == brute_force(words, words, 11)


def test_search_reads_few_of_random_words():
    words = np.random.default_rng(0).integers(0, 2**64, 3000, dtype=np.uint64)
    assert found_by(words, words, 11) == {(i, i) for i in range(3000)}


def test_nothing_to_search_and_too_wide_a_search():
    none = np.empty(0, np.uint64)
    assert found_by(none, none, 11) == set()
    with pytest.raises(ValueError, match='limit .* 12'):
        next(search(none, none, 12))
