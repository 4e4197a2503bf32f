# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from task_models import write_task

from mmfer.analysis.compare_features import compare_features, draw_features
from mmfer.inference.model_runner import ModelRunner
from mmfer.inference.split_loader import build_split_loader
from mmfer.visualization.embedding import embed, most_frequent, separation


def features_of(config, checkpoint):
    runner = ModelRunner.from_files(str(config), str(checkpoint))
    faces = list(runner.inspect_all(build_split_loader(runner.cfg)))
    return np.stack([face.adapted for face in faces]), [int(f.sample.gt_label) for f in faces]


def points_of(axes):
    return np.concatenate([part.get_offsets() for part in axes.collections])


def test_panels_show_what_each_decoder_gets_of_the_same_faces(tmp_path):
    models = {
        'baseline': write_task(tmp_path, 'recognition'),
        'M to M': write_task(tmp_path, 'recognition', adapter=True),
    }
    figure = compare_features([(name, *files) for name, files in models.items()], seed=2)
    assert figure.get_suptitle() == '12 faces'
    for (name, files), axes in zip(models.items(), figure.axes, strict=True):
        features, labels = features_of(*files)
        labels = np.array(labels)
        assert axes.get_title() == name
        assert axes.get_xlabel() == separation(features, labels)
        expected = embed(features, seed=2)[np.argsort(labels, kind='stable')]
        np.testing.assert_array_equal(points_of(axes), expected)
    colors = [
        {part.get_label(): tuple(part.get_facecolor()[0]) for part in axes.collections}
        for axes in figure.axes
    ]
    assert colors[0] == colors[1] and len(set(colors[0].values())) == 3


def test_people_with_the_most_faces_are_drawn(tmp_path):
    files = write_task(tmp_path, 'recognition')
    _, labels = features_of(*files)
    figure = compare_features([('M', *files)], max_classes=2, title='two')
    (axes,) = figure.axes
    assert figure.get_suptitle() == 'two'
    drawn = {part.get_label(): len(part.get_offsets()) for part in axes.collections}
    most = most_frequent(np.array(labels), 2)
    assert drawn == {f'person {label}': labels.count(label) for label in most}


def test_ages_are_colored_by_age_and_points_by_nothing(tmp_path):
    models = [(name, *write_task(tmp_path, 'age')) for name in 'ab']
    panels = compare_features(models).axes
    assert panels[-1].get_ylabel() == 'true age (years)'
    assert panels[0].get_xlabel().startswith('by decade of life')
    panels = compare_features(models, color='none').axes
    assert [axes.get_xlabel() for axes in panels] == ['', '']


def test_only_models_of_the_same_faces_are_compared(tmp_path):
    (tmp_path / 'other').mkdir()
    first = ('a', *write_task(tmp_path, 'recognition'))
    fewer = ('b', *write_task(tmp_path / 'other', 'recognition', num=11))
    with pytest.raises(ValueError, match=r"'b' and 'a' .*\(11 and 12 faces\)"):
        compare_features([first, fewer])
    for models in ([], [first, first]):
        with pytest.raises(ValueError, match='title'):
            compare_features(models)


def test_one_model_before_and_after_its_adapter(tmp_path):
    config, checkpoint = write_task(tmp_path, 'expression', adapter=True)
    before, after = draw_features(config, checkpoint, num=9).axes
    assert (before.get_title(), after.get_title()) == ('before the adapter', 'after the adapter')
    assert len(points_of(before)) == len(points_of(after)) == 9
    alone = draw_features(*write_task(tmp_path, 'expression'))
    assert [axes.get_title() for axes in alone.axes] == ['features of the encoder']
    assert alone.get_suptitle() == 'expression, 12 faces'
