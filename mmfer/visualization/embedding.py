# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw features in 2D by t-SNE (Figures 6 and 7 of the KT-Adapter paper)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from mmfer.evaluation.functional.verification import intra_class_variance, normalize

from .figures import FAINT, INK, PALETTE, new_panels

_MARKERS = 'osv'
_ONE_ROW = 3  # most panels in a single row; more are drawn in two rows or more
#: Number of classes that colors and markers can distinguish.
MAX_CLASSES = len(PALETTE) * len(_MARKERS)

_AGE_GROUPS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 120)


def embed(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Map features ``(N, C)`` to 2D, ``(N, 2)``, by t-SNE with a fixed seed.

    Features are normalized to length one first: everything else here compares directions, too. The
    perplexity, roughly the number of neighbors that matter, is 30; less for fewer than 91 features.

    Args:
        features (np.ndarray): At least 5 features.
        seed (int): Random seed of the optimization. Defaults to 0.

    Raises:
        ValueError: There are fewer than 5 features.
    """
    if len(features) < 5:
        raise ValueError(f't-SNE needs at least 5 images, got {len(features)} (--num)')
    perplexity = min(30, (len(features) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init='pca', learning_rate='auto', random_state=seed)
    return tsne.fit_transform(normalize(features).astype(np.float32))


def age_groups(ages: np.ndarray) -> np.ndarray:
    """Return the decade of life ``(N,)`` of ages in years; ages from 80 on are one group."""
    return np.digitize(ages, _AGE_GROUPS[1:-1])


def most_frequent(labels: np.ndarray, num: int) -> np.ndarray:
    """Return the ``num`` most frequent of ``labels`` ``(N,)``, in ascending order.

    Ties go to the smaller label.
    """
    present, counts = np.unique(labels, return_counts=True)
    return np.sort(present[np.argsort(-counts, kind='stable')[:num]])


def separation(features: np.ndarray, groups: np.ndarray) -> str:
    """Return how well the groups ``(N,)`` of features are separated, as a caption.

    Both numbers are computed from the features, not from the t-SNE positions: the intra-class
    variance, that is, the mean cosine distance of pairs of one class (lower is better), and the
    mean silhouette with the cosine distance (-1 to 1, higher is better).
    """
    caption = f'of the features: intra-class variance {intra_class_variance(features, groups):.3f}'
    if 1 < len(np.unique(groups)) < len(groups):
        silhouette = silhouette_score(normalize(features), groups, metric='cosine')
        caption += f', silhouette {silhouette:.3f}'
    return caption


def draw_embedding(
    panels: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
    ages: np.ndarray | None = None,
    title: str = '',
    seed: int = 0,
) -> Figure:
    """Draw features of the same images side by side, with a separate t-SNE for each panel.

    The numbers below a panel are those of :func:`separation`.

    Args:
        panels (Mapping[str, np.ndarray]): Name -> features ``(N, C)``; one or several.
        labels (np.ndarray, optional): Classes ``(N,)``, shown as colors. If there are more than 24,
            only the most frequent 24 are colored. Defaults to none.
        classes (Sequence[str]): Class names. Defaults to numbers.
        ages (np.ndarray, optional): Ages ``(N,)`` in years, shown as colors instead of labels.
            Defaults to none.
        title (str): Title. Defaults to none.
        seed (int): Random seed of t-SNE. Defaults to 0.

    Returns:
        A figure without a window.

    Raises:
        ValueError: Both labels and ages are given.
    """
    if labels is not None and ages is not None:
        raise ValueError('points are colored by labels or by ages; pass only one of them')
    groups = labels if ages is None else age_groups(ages)
    num = len(panels)
    per_row = num if num <= _ONE_ROW else min(4, -(-num // 2))
    figure, axes = new_panels(num, per_row, (5, 5.4), (1.5, 0), title)
    for axis, (name, features) in zip(axes, panels.items(), strict=True):
        points = embed(features, seed=seed)
        if ages is not None:
            drawn = _draw_by_age(axis, points, ages)
        elif labels is not None:
            _draw_by_class(axis, points, np.asarray(labels), classes)
        else:
            axis.scatter(points[:, 0], points[:, 1], s=14, color=PALETTE[0], linewidths=0)
        axis.set_title(name)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_color(FAINT)
        if groups is not None:
            by = '' if ages is None else 'by decade of life, '
            axis.set_xlabel(by + separation(features, groups), color=INK, fontsize=9)
    if ages is not None:
        figure.colorbar(drawn, ax=axes, label='true age (years)', shrink=0.8, spacing='uniform')
    elif labels is not None:
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc='outside right center', frameon=False, fontsize=8, markerscale=1.5
        )
    return figure


def _draw_by_age(axes, points: np.ndarray, ages: np.ndarray):
    """Draw points in colors of cividis, which looks the same with color blindness."""
    colors = colormaps['cividis']
    norm = BoundaryNorm(_AGE_GROUPS, colors.N)
    return axes.scatter(
        points[:, 0], points[:, 1], s=14, c=ages, cmap=colors, norm=norm, linewidths=0
    )


def _draw_by_class(axes, points: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
    shown = most_frequent(labels, MAX_CLASSES)
    others = ~np.isin(labels, shown)
    for index, label in enumerate(shown):
        selected = points[labels == label]
        axes.scatter(
            selected[:, 0],
            selected[:, 1],
            s=16,
            color=PALETTE[index % len(PALETTE)],
            marker=_MARKERS[index // len(PALETTE)],
            linewidths=0,
            label=classes[label] if len(classes) else str(label),
            zorder=2,
        )
    if others.any():
        rest = points[others]
        name = f'{len(np.unique(labels[others]))} more'
        axes.scatter(rest[:, 0], rest[:, 1], s=8, color='#d9d9d9', linewidths=0, label=name)
