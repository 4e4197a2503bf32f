# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import itertools
import tracemalloc

import numpy as np
import pytest

from mmfer.evaluation.functional.verification import (
    all_pairs_roc,
    intra_class_variance,
    intra_class_variance_to_mean,
    pairs_roc,
    roc_curve,
)


def people(num=60, classes=9, channels=5, seed=0):
    """Features in a cluster around the mean of their person."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, num)
    return rng.normal(size=(classes, channels))[labels] + rng.normal(size=(num, channels)), labels


def obvious_pairs(features, labels):
    scores, same = [], []
    for i, j in itertools.combinations(range(len(features)), 2):
        a, b = features[i], features[j]
        scores.append(a @ b / np.sqrt((a @ a) * (b @ b)))
        same.append(labels[i] == labels[j])
    return np.array(scores), np.array(same)


def corners(scores, same):
    """Reference: FAR and TAR at every threshold, one after the other."""
    thresholds = [np.inf, *np.unique(scores)[::-1]]
    far = [(scores[~same] >= threshold).mean() for threshold in thresholds]
    tar = [(scores[same] >= threshold).mean() for threshold in thresholds]
    return np.array(far), np.array(tar)


def chance_to_be_more_similar(scores, same):
    """Reference for the area under the curve: compare all pairs; ties count half."""
    difference = scores[same][:, None] - scores[~same]
    return (difference > 0).mean() + (difference == 0).mean() / 2


def check(curve, scores, same):
    far, tar = corners(scores, same)
    for rate in (1e-4, 0.001, 0.01, 0.1, 0.29, 0.5, 0.9):
        assert curve.tar_at(rate) == pytest.approx(tar[far <= rate].max(), abs=1e-12)
    assert curve.auc == pytest.approx(chance_to_be_more_similar(scores, same), abs=1e-12)
    # The equal error rate by bisection on the interpolated curve.
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if middle >= 1 - np.interp(middle, far, tar) else (middle, high)
    assert curve.eer == pytest.approx(low, abs=1e-9)


@pytest.mark.parametrize('chunk', [1, 100, 1 << 21])
def test_all_pairs_equal_the_reference_for_any_chunk_size(chunk):
    features, labels = people()
    curve = all_pairs_roc(features, labels, chunk)
    scores, same = obvious_pairs(features, labels)
    assert (curve.num_same, curve.num_different) == (same.sum(), (~same).sum())
    check(curve, scores, same)


def test_equal_similarities_are_accepted_together():
    rng = np.random.default_rng(1)
    same = rng.random(400) < 0.3
    scores = np.round(rng.normal(same, 1.0), 1)  # many ties within and between the kinds
    assert len(np.unique(scores)) < 80
    check(roc_curve(scores[same], np.array_split(scores[~same], 7)), scores, same)
    # All equal: accept all or none.
    flat = roc_curve(np.zeros(5), [np.zeros(9)])
    assert (flat.tar_at(0.99), flat.auc, flat.eer) == (0, 0.5, 0.5)


def test_perfect_and_inverted_features():
    perfect = roc_curve(np.array([0.8, 0.9]), [np.array([0.1, 0.2, 0.7])])
    assert (perfect.tar_at(1e-6), perfect.auc, perfect.eer) == (1, 1, 0)
    inverted = roc_curve(np.array([0.1]), [np.array([0.8, 0.9])])
    assert (inverted.tar_at(0.5), inverted.auc, inverted.eer) == (0, 0, 1)


def test_corners_of_the_curve_increase_from_zero_to_one():
    curve = all_pairs_roc(*people())
    for rate in (curve.far, curve.tar):
        assert rate[0] == 0 and rate[-1] == 1 and (np.diff(rate) >= 0).all()


def test_a_rate_equal_to_a_corner_includes_it():
    # 0.29 * 100 is slightly less than 29 in floating point.
    scores = np.arange(100)[::-1].astype(float)
    assert roc_curve(np.array([scores[28]]), [scores]).tar_at(0.29) == 1
    assert roc_curve(np.array([scores[29]]), [scores]).tar_at(0.29) == 0


@pytest.mark.parametrize('digits', [8, 0])
def test_given_pairs_equal_the_reference_and_the_chunked_curve(digits):
    features, labels = people()
    features = np.round(features, digits)  # without digits: ties within and between the kinds
    pairs = np.random.default_rng(2).integers(0, len(features), (300, 2))
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(lengths > 0, lengths, 1)
    scores = np.einsum('kc,kc->k', unit[pairs[:, 0]], unit[pairs[:, 1]])
    curve = pairs_roc(features, pairs, same)
    assert (curve.num_same, curve.num_different) == (same.sum(), (~same).sum())
    check(curve, scores, same)
    chunked = roc_curve(scores[same], np.array_split(scores[~same], 3))
    for rate in (0.001, 0.01, 0.1, 0.5):
        assert curve.tar_at(rate) == chunked.tar_at(rate)
    assert (curve.auc, curve.eer) == pytest.approx((chunked.auc, chunked.eer), abs=1e-12)


def test_memory_does_not_grow_with_the_pairs_of_two_people():
    features, labels = people(num=2000, classes=400, channels=8)
    tracemalloc.start()
    curve = all_pairs_roc(features, labels, chunk=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert curve.num_different > 1_900_000
    assert peak < 6e6  # the similarities alone would be 16 MB


@pytest.mark.parametrize('labels', [[0, 0, 0], [0, 1, 2]])
def test_both_kinds_of_pairs_are_needed(labels):
    with pytest.raises(ValueError, match='pairs .*one person .*two people'):
        all_pairs_roc(np.eye(3), np.array(labels))
    same = np.full(2, len(set(labels)) == 1)
    with pytest.raises(ValueError, match='pairs .*one person .*two people'):
        pairs_roc(np.eye(3), np.array([[0, 1], [1, 2]]), same)


def test_variance_is_the_mean_cosine_distance_of_pairs_of_one_class():
    features, labels = people()
    scores, same = obvious_pairs(features, labels)
    expected = pytest.approx((1 - scores[same]).mean())
    assert intra_class_variance(features, labels) == expected
    assert intra_class_variance(3 * features, labels) == expected
    # The same for the pairs of the curve.
    assert 1 - all_pairs_roc(features, labels).mean_same == expected
    pairs = np.array(list(itertools.combinations(range(len(features)), 2)))
    assert 1 - pairs_roc(features, pairs, same).mean_same == expected
    assert intra_class_variance(np.eye(3)[[0, 0, 1, 1]], [5, 5, 7, 7]) == 0
    assert intra_class_variance(np.eye(4)[[0, 1, 2, 3]], [5, 5, 7, 7]) == 1
    assert intra_class_variance(np.array([[1.0, 2.0], [-2.0, -4.0]]), [0, 0]) == pytest.approx(2)
    assert intra_class_variance(np.eye(3), [0, 1, 2]) == 0  # no pair
    # A zero vector has similarity 0 to all.
    assert intra_class_variance(np.array([[0.0, 0.0], [1.0, 0.0]]), [0, 0]) == 1


def test_variance_to_the_mean_is_a_mean_squared_distance():
    features, labels = people()
    unit = [feature / np.sqrt(feature @ feature) for feature in features]
    total = 0
    for index, feature in enumerate(unit):
        mates = [other for other, label in zip(unit, labels, strict=True) if label == labels[index]]
        total += ((feature - np.mean(mates, axis=0)) ** 2).sum()
    expected = pytest.approx(total / len(unit))
    assert intra_class_variance_to_mean(features, labels) == expected
    assert intra_class_variance_to_mean(3 * features, labels) == expected
    assert intra_class_variance_to_mean(np.eye(3)[[0, 0, 1, 1]], [5, 5, 7, 7]) == 0


@pytest.mark.parametrize('size', [2, 3, 10])
def test_distance_to_the_mean_is_smaller_by_one_nth(size):
    features = np.random.default_rng(0).normal(size=(size, 4))
    labels = np.zeros(size, int)
    assert intra_class_variance_to_mean(features, labels) == pytest.approx(
        (size - 1) / size * intra_class_variance(features, labels)
    )


def test_the_published_variance_cannot_be_the_distance_to_the_mean():
    """750 images with 484 genuine pairs, as in the paper; all of them as dissimilar as possible.

    Without opposite features the distance to the mean is largest where people have two images or
    three. The paper has 0.631.
    """
    counts = [1] * 1 + [2] * 265 + [3] * 73
    labels = np.repeat(np.arange(len(counts)), counts)
    assert len(labels) == 750 and sum(n * (n - 1) // 2 for n in counts) == 484
    features = np.eye(3)[np.concatenate([np.arange(n) for n in counts])]
    assert intra_class_variance(features, labels) == 1
    assert intra_class_variance_to_mean(features, labels) == pytest.approx(411 / 750)  # 0.548
