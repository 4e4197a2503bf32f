# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from mmfer.visualization.embedding import (
    MAX_CLASSES,
    age_groups,
    draw_embedding,
    embed,
    most_frequent,
    separation,
)


def clusters(num=60, classes=3, channels=8, spread=0.1):
    rng = np.random.default_rng(0)
    labels = np.arange(num) % classes
    centers = rng.normal(size=(classes, channels))
    return centers[labels] + spread * rng.normal(size=(num, channels)), labels


def test_neighbors_stay_neighbors():
    features, labels = clusters()
    points = embed(features)
    assert points.shape == (60, 2)
    assert silhouette_score(points, labels) > 0.5


def test_embedding_is_repeatable_and_about_directions():
    features, _ = clusters(20)
    points = embed(features, seed=3)
    np.testing.assert_array_equal(points, embed(features, seed=3))
    scale = 2.0 ** np.arange(-2, 3).repeat(4)[:, None]  # powers of two: exact
    np.testing.assert_array_equal(points, embed(features * scale, seed=3))


def test_too_few_images_are_an_error():
    assert embed(np.eye(5)).shape == (5, 2)
    with pytest.raises(ValueError, match='got 4'):
        embed(np.eye(4))


def test_caption_says_how_well_classes_are_apart():
    features, labels = clusters()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = [unit[i] @ unit[j] for i in range(60) for j in range(i) if labels[i] == labels[j]]
    variance = 1 - np.mean(alike)
    silhouette = silhouette_score(features, labels, metric='cosine')
    expected = f'of the features: intra-class variance {variance:.3f}, silhouette {silhouette:.3f}'
    assert separation(features, labels) == expected
    # One class, or one image per class: there is no silhouette.
    assert 'silhouette' not in separation(features, np.zeros(60, int))
    assert 'silhouette' not in separation(features, np.arange(60))


def test_classes_have_colors_and_names():
    features, labels = clusters()
    panels = dict(before=features, after=2 * features)
    figure = draw_embedding(panels, labels, ('a', 'b', 'c'), title='model')
    assert [axes.get_title() for axes in figure.axes] == ['before', 'after']
    for axes in figure.axes:
        assert [part.get_label() for part in axes.collections] == ['a', 'b', 'c']
        assert [len(part.get_offsets()) for part in axes.collections] == [20, 20, 20]
        assert axes.get_xlabel() == separation(features, labels)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ['a', 'b', 'c']


def test_of_many_classes_the_frequent_ones_are_colored():
    labels = np.concatenate([np.arange(30), np.arange(6, 30)])
    features = np.random.default_rng(0).normal(size=(54, 4))
    (axes,) = draw_embedding(dict(features=features), labels).axes
    parts = {part.get_label(): part for part in axes.collections}
    assert set(parts) == {*map(str, range(6, 30)), '6 more'} and MAX_CLASSES == 24
    assert len(parts['6 more'].get_offsets()) == 6
    looks = {
        (tuple(part.get_facecolor()[0]), part.get_paths()[0].vertices.tobytes())
        for part in parts.values()
    }
    assert len(looks) == 25


def test_ages_have_a_scale():
    features, _ = clusters()
    ages = np.linspace(1, 116, 60)
    figure = draw_embedding(dict(features=features), ages=ages)
    panel, scale = figure.axes
    np.testing.assert_array_equal(panel.collections[0].get_array(), ages)
    assert scale.get_ylabel() == 'true age (years)'
    assert panel.get_xlabel() == 'by decade of life, ' + separation(features, age_groups(ages))


def test_decades_of_life():
    ages = np.array([1, 9.9, 10, 45, 79.9, 80, 116])
    assert age_groups(ages).tolist() == [0, 0, 1, 4, 7, 8, 8]


@pytest.mark.parametrize(('num', 'columns'), [(1, 1), (3, 3), (4, 2), (5, 3), (9, 4)])
def test_many_panels_are_put_in_rows(num, columns):
    features, _ = clusters(6)
    figure = draw_embedding({str(i): features for i in range(num)})
    assert figure.axes[0].get_gridspec().ncols == columns
    assert [axes.get_title() for axes in figure.axes][:num] == [str(i) for i in range(num)]


def test_without_groups_there_are_only_points():
    features, labels = clusters()
    (axes,) = draw_embedding(dict(features=features)).axes
    assert axes.get_xlabel() == '' and len(axes.collections[0].get_offsets()) == 60
    with pytest.raises(ValueError, match='labels .* ages'):
        draw_embedding(dict(features=features), labels, ages=labels)


@pytest.mark.parametrize(('num', 'expected'), [(1, [3]), (2, [3, 7]), (3, [0, 3, 7])])
def test_ties_of_frequency_go_to_the_smaller_label(num, expected):
    labels = np.array([7, 7, 7, 5, 3, 3, 0, 0, 3])
    assert most_frequent(labels, num).tolist() == expected
    assert most_frequent(labels, 9).tolist() == [0, 3, 5, 7]
