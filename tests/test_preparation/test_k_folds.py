# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections import Counter, defaultdict

import numpy as np
import pytest

from mmfer.preparation.k_folds import disjoint_folds, parts_of_fold, stratified_folds

NAMES = [f'{i:04d}' for i in range(1000)]
# Classes of very different sizes: 1, 2, 4, … images.
LABELS = [min(i.bit_length(), 8) for i in range(1000)]


def counts_of(folds, labels, k):
    counts = defaultdict(lambda: [0] * k)
    for fold, label in zip(folds, labels, strict=True):
        counts[label][fold] += 1
    return counts


@pytest.mark.parametrize('k', [2, 5, 7])
def test_sizes_differ_by_at_most_one_per_class_and_in_total(k):
    folds = stratified_folds(NAMES, k, LABELS)
    for sizes in [*counts_of(folds, LABELS, k).values(), np.bincount(folds, minlength=k)]:
        assert max(sizes) - min(sizes) <= 1
    assert set(folds) == set(range(k))


def test_order_of_the_list_does_not_matter():
    order = np.random.default_rng(0).permutation(1000)
    names, labels = [NAMES[i] for i in order], [LABELS[i] for i in order]
    people = [i % 37 for i in range(1000)]
    shuffled = [people[i] for i in order]
    for before, after in (
        (stratified_folds(NAMES, 5, LABELS), stratified_folds(names, 5, labels)),
        (disjoint_folds(NAMES, people, 5, LABELS), disjoint_folds(names, shuffled, 5, labels)),
    ):
        assert [before[i] for i in order] == after


def test_folds_never_change():
    # Fixed values, so that results stay comparable between versions.
    assert stratified_folds(NAMES[:12], 3) == [1, 2, 0, 1, 1, 0, 0, 0, 2, 1, 2, 2]
    people = [name[-1] for name in NAMES[:30]]
    assert disjoint_folds(NAMES[:30], people, 3)[:10] == [1, 0, 2, 0, 1, 2, 0, 0, 1, 2]
    assert stratified_folds(NAMES, 3, seed=1) != stratified_folds(NAMES, 3)
    assert disjoint_folds(NAMES[:30], people, 3, seed=1) != disjoint_folds(NAMES[:30], people, 3)


@pytest.mark.parametrize('k', [2, 5, 10])
@pytest.mark.parametrize('seed', range(4))
def test_folds_share_no_people_and_have_similar_sizes(k, seed):
    rng = np.random.default_rng(seed)
    # A few people with many images, e.g. celebrities.
    people = (rng.pareto(1.0, 1000) * 8).astype(int).clip(0, 150).tolist()
    labels = rng.choice(4, 1000, p=[0.6, 0.25, 0.1, 0.05]).tolist()
    folds = disjoint_folds(NAMES, people, k, labels, seed)
    of_person = defaultdict(set)
    for person, fold in zip(people, folds, strict=True):
        of_person[person].add(fold)
    assert all(len(own) == 1 for own in of_person.values())
    sizes = np.bincount(folds, minlength=k)
    assert sizes.max() - sizes.min() <= 2 * max(Counter(people).values())


def test_classes_are_balanced_if_groups_are_small():
    rng = np.random.default_rng(0)
    people = [i // 4 for i in range(1000)]
    labels = rng.choice(4, 1000, p=[0.6, 0.25, 0.1, 0.05]).tolist()
    folds = disjoint_folds(NAMES, people, 5, labels)
    assert np.ptp(np.bincount(folds)) <= 8
    for sizes in counts_of(folds, labels, 5).values():
        assert max(sizes) - min(sizes) <= 3


def test_groups_of_one_sample_give_equal_sizes():
    sizes = np.bincount(disjoint_folds(NAMES, NAMES, 7))
    assert np.ptp(sizes) <= 2


def test_parts_are_disjoint_and_every_sample_is_tested_once():
    folds = stratified_folds(NAMES, 5, LABELS)
    for part in ('test', 'val'):
        chosen = [parts_of_fold(folds, fold) for fold in range(5)]
        assert [sum(parts[i] == part for parts in chosen) for i in range(1000)] == [1] * 1000
    assert set(parts_of_fold([0, 1, 1], 1, with_val=False)) == {'train', 'test'}


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: stratified_folds(['a', 'b'], 3), 'number of folds .*samples.*3'),
        (lambda: stratified_folds(['a', 'b'], 1), 'not 1'),
        (lambda: stratified_folds(['a', 'a'], 2), "'a' "),
        (lambda: stratified_folds(['a', 'b'], 2, [0]), '1 labels .*2 names'),
        (lambda: disjoint_folds(['a', 'b'], [1, 1], 2), '2 to 1 '),
        (lambda: parts_of_fold([0, 1, 2], 3), 'fold .*3'),
        (lambda: parts_of_fold([0, 1], 0), '3 folds.*2'),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
