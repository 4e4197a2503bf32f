# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Face verification: exact ROC curves over many millions of image pairs.

The true acceptance rate (TAR) is the share of pairs of one person that are accepted, the false
acceptance rate (FAR) is the share of pairs of two people that are accepted. A pair is accepted if
its cosine similarity reaches the threshold. Pairs with equal similarity are accepted or rejected
together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

#: Number of similarities of pairs of two people that are in memory at a time (8 bytes each).
_CHUNK = 1 << 21


@dataclass(frozen=True)
class RocCurve:
    """Corners of an ROC curve, from (0, 0) to (1, 1); neither rate ever decreases.

    Attributes:
        far (np.ndarray): False acceptance rates ``(K,)``.
        tar (np.ndarray): True acceptance rates ``(K,)``.
        num_same (int): Number of pairs of one person.
        num_different (int): Number of pairs of two people.
        mean_same (float): Mean similarity of the pairs of one person.
    """

    far: np.ndarray
    tar: np.ndarray
    num_same: int
    num_different: int
    mean_same: float

    def tar_at(self, far: float) -> float:
        """Return the largest TAR of all thresholds with at most this FAR, without interpolation.

        With fewer than ``1 / far`` pairs of two people, it is the TAR without a false acceptance.
        """
        # Slightly more because of rounding: 0.29 * 100 pairs must be 29.
        return float(self.tar[self.far <= far * (1 + 1e-12)].max())

    @property
    def auc(self) -> float:
        """Area under the curve: the probability that a pair of one person is more similar than a
        pair of two people.
        """
        # Imported here: it takes a second, and most trainings do not need it.
        from sklearn.metrics import auc

        return float(auc(self.far, self.tar))

    @property
    def eer(self) -> float:
        """Equal error rate: the FAR that equals ``1 - TAR``, interpolated between corners."""
        excess = self.far + self.tar - 1  # from -1 to 1, never decreasing
        after = int(np.argmax(excess >= 0))
        before = after - 1
        step = -excess[before] / (excess[after] - excess[before])
        return float(self.far[before] + step * (self.far[after] - self.far[before]))


def roc_curve(same: np.ndarray, different: Iterable[np.ndarray]) -> RocCurve:
    """Compute the exact ROC curve; only one chunk of the pairs of two people is in memory.

    The TAR changes only at similarities of pairs of one person. So for each of these it is enough
    to count, chunk by chunk, how many pairs of two people are below or equal to it.

    Args:
        same (np.ndarray): Similarities of pairs of one person ``(P,)``.
        different (Iterable[np.ndarray]): Chunks ``(M,)`` of the similarities of pairs of two
            people.

    Raises:
        ValueError: There are no pairs of one person or none of two people.
    """
    thresholds, counts = np.unique(same, return_counts=True)
    below = np.zeros(len(thresholds), np.int64)
    up_to = np.zeros(len(thresholds), np.int64)
    num_different = 0
    for chunk in different:
        chunk = np.sort(chunk)
        below += np.searchsorted(chunk, thresholds, side='left')
        up_to += np.searchsorted(chunk, thresholds, side='right')
        num_different += len(chunk)
    num_same = len(same)
    if not num_same or not num_different:
        raise ValueError(
            'verification needs pairs of one person and pairs of two people; there are '
            f'{num_same} and {num_different}'
        )
    # From the highest threshold to the lowest: just above each, then at it.
    accepted = np.cumsum(counts[::-1])
    tar = np.stack([accepted - counts[::-1], accepted], axis=1).ravel() / num_same
    far = num_different - np.stack([up_to[::-1], below[::-1]], axis=1).ravel()
    far = np.concatenate([[0.0], far / num_different, [1.0]])
    tar = np.concatenate([[0.0], tar, [1.0]])
    return RocCurve(far, tar, num_same, num_different, float(np.mean(same)))


def normalize(features: np.ndarray) -> np.ndarray:
    """Scale features ``(N, C)`` to length 1, in float64; zero vectors stay zero."""
    features = np.asarray(features, np.float64)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


def all_pairs_roc(features: np.ndarray, labels: np.ndarray, chunk: int = _CHUNK) -> RocCurve:
    """Compute the ROC curve of all pairs of images.

    Args:
        features (np.ndarray): Features ``(N, C)``; they are normalized here.
        labels (np.ndarray): Identities ``(N,)``.
        chunk (int): Approximate number of similarities of pairs of two people in memory at a time;
            those of pairs of one person are all kept. Defaults to 2 million.
    """
    # Sorted by person, so that the pairs of one person are blocks on the diagonal.
    order = np.argsort(labels, kind='stable')
    features, labels = normalize(features)[order], np.asarray(labels)[order]
    groups = np.split(features, np.flatnonzero(labels[1:] != labels[:-1]) + 1)
    same = [(group @ group.T)[np.triu_indices(len(group), k=1)] for group in groups]
    return roc_curve(np.concatenate(same), _different_people(features, labels, chunk))


def _different_people(features: np.ndarray, labels: np.ndarray, chunk: int) -> Iterator[np.ndarray]:
    """Yield similarities of pairs of two people; ``labels`` must be sorted."""
    rows = max(1, chunk // len(features))
    for start in range(0, len(features), rows):
        block = slice(start, start + rows)
        # Compare each image of the block with the images of later people only: every pair once.
        first = np.searchsorted(labels, labels[start], side='right')
        similarities = features[block] @ features[first:].T
        yield similarities[labels[block, None] < labels[None, first:]]


def pairs_roc(features: np.ndarray, pairs: np.ndarray, same: np.ndarray) -> RocCurve:
    """Compute the ROC curve of given pairs; all similarities are in memory.

    Args:
        features (np.ndarray): Features ``(N, C)``; they are normalized here.
        pairs (np.ndarray): Indices ``(K, 2)``.
        same (np.ndarray): Whether each pair shows one person ``(K,)``.

    Raises:
        ValueError: There are no pairs of one person or none of two people.
    """
    features, same = normalize(features), np.asarray(same, bool)
    rows = max(1, _CHUNK // features.shape[1])
    similarities = np.concatenate(
        [
            np.einsum('kc,kc->k', features[part[:, 0]], features[part[:, 1]])
            for part in np.array_split(pairs, -(-len(pairs) // rows))
        ]
    )
    return roc_curve(similarities[same], [similarities[~same]])


def intra_class_variance(features: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean cosine distance, ``1 - cos``, of all pairs of features of the same class.

    The pairs are not computed: the similarities within a class, including each feature with itself,
    add up to the squared length of the sum of its L2-normalized features.

    Args:
        features (np.ndarray): Features ``(N, C)``.
        labels (np.ndarray): Classes ``(N,)``.

    Returns:
        Between 0 (all features of a class are equal) and 2; 0 if no class has two features.
    """
    features = normalize(features)
    sums, _, counts = _class_sums(features, labels)
    pairs = np.sum(counts * (counts - 1))  # each pair twice, as below
    similarities = np.sum(sums**2) - np.sum(features**2)
    return float(1 - similarities / pairs) if pairs else 0.0


def intra_class_variance_to_mean(features: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean squared distance of L2-normalized features to the mean of their class.

    In a class of ``n`` features it is ``(n - 1) / n`` times the mean cosine distance of its pairs.

    Args:
        features (np.ndarray): Features ``(N, C)``.
        labels (np.ndarray): Classes ``(N,)``.

    Returns:
        Between 0 (all features of a class are equal) and 1.
    """
    features = normalize(features)
    sums, classes, counts = _class_sums(features, labels)
    means = sums / counts[:, None]
    return float(np.mean(np.sum((features - means[classes]) ** 2, axis=1)))


def _class_sums(
    features: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sums of features per class ``(K, C)``, class indices ``(N,)`` and counts ``(K,)``."""
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), features.shape[1]))
    np.add.at(sums, classes, features)
    return sums, classes, counts
