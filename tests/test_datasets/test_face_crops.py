# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import logging

import numpy as np
import pytest
from face_trees import write_image

from mmfer.datasets import FaceCrops

POINTS = [[float(i), i / 2] for i in range(98)]


@pytest.fixture
def write(tmp_path):
    """Write annotations.json and the images in it; return the folder."""

    def _write(records, **metainfo):
        for record in records:
            if isinstance(record, dict) and 'img_path' in record:
                write_image(tmp_path / record['img_path'])
        content = dict(metainfo=metainfo, data_list=records)
        (tmp_path / 'annotations.json').write_text(json.dumps(content))
        return tmp_path

    return _write


def record(name='a.jpg', split='train', **labels):
    return dict(img_path=f'images/{split}/{name}', split=split, **labels)


def test_labels_have_the_types_of_a_pipeline(write):
    face = record(
        gt_age=31, gt_landmarks=POINTS, face_box=[1, 2, 3, 4.5], attributes=[0, 1], camera='left'
    )
    root = write([face], task='landmarks')
    sample = FaceCrops(root).get_data_info(0)
    assert sample['img_path'] == str(root / 'images/train/a.jpg') and 'split' not in sample
    assert sample['gt_age'] == 31 and isinstance(sample['gt_age'], float)
    np.testing.assert_array_equal(sample['gt_landmarks'], np.array(POINTS, np.float32))
    assert sample['gt_landmarks'].dtype == sample['face_box'].dtype == np.float32
    assert sample['attributes'].tolist() == [0, 1] and sample['attributes'].dtype == np.uint8
    assert sample['camera'] == 'left'


def test_splits(write):
    records = [record(f'{i}.jpg', s, gt_age=i) for i, s in enumerate(['train', 'val', 'test'] * 2)]
    root = write(records, task='age')
    ages = {
        split: [FaceCrops(root, split).get_data_info(i)['gt_age'] for i in range(count)]
        for split, count in (('train', 2), ('val', 2), ('trainval', 4), ('test', 2))
    }
    assert ages == dict(train=[0, 3], val=[1, 4], trainval=[0, 1, 3, 4], test=[2, 5])
    assert FaceCrops(root, 'test').test_mode and not FaceCrops(root).test_mode


def test_meta_information_is_the_files(write):
    root = write([record(gt_label=1)], task='expression', classes=['sad', 'glad'], origin='here')
    dataset = FaceCrops(root)
    assert dataset.metainfo == dict(task='expression', classes=('sad', 'glad'), origin='here')
    assert 'classes' not in FaceCrops(write([record(gt_age=3)], task='age')).metainfo


def test_classes_are_mapped_by_name(write):
    faces = [record(f'{i}.jpg', gt_label=i) for i in range(2)]
    root = write(faces, task='expression', classes=['sad', 'glad'])
    assert FaceCrops(root, classes=['glad', 'sad']).get_gt_labels().tolist() == [1, 0]


def test_a_face_of_no_class_keeps_its_other_labels(write):
    faces = [record(f'{label}.jpg', gt_label=label) for label in (1, 0, -1)]
    faces[2]['gt_valence_arousal'] = [0.5, -0.2]
    for classes in (['sad', 'glad'], None):
        dataset = FaceCrops(write(faces, task='expression', classes=classes))
        assert dataset.get_gt_labels().tolist() == [1, 0, -1]
        assert dataset[2]['gt_valence_arousal'] == [0.5, -0.2]


def test_task_can_be_selected(write):
    root = write([record(gt_age=3, gt_landmarks=POINTS)])
    with pytest.raises(ValueError, match="task .*'age'"):
        FaceCrops(root)
    assert FaceCrops(root, task='age').metainfo['task'] == 'age'
    with pytest.raises(ValueError, match="'images/train/a.jpg' .*gt_label"):
        FaceCrops(root, task='recognition')


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(split='train'), 'no img_path'),
        (dict(img_path='b.jpg', gt_age=3), "split .*'b.jpg' .*None"),
        (record('b.jpg', 'training', gt_age=3), "split .*b.jpg' .*'training'"),
        (record('b.jpg'), "'images/train/b.jpg' .*gt_age"),
        (record('b.jpg', gt_age='old'), "gt_age .*'images/train/b.jpg' .*'old'"),
        (record('b.jpg', gt_age=float('nan')), 'gt_age .*finite'),
        (record('b.jpg', gt_age=3, gt_label=2), 'gt_label .*2.*0 to 1'),
        (record('b.jpg', gt_age=3, gt_label=[0]), r'gt_label .*\[0\]'),
        (
            record('b.jpg', gt_age=3, face_box=[1, 2]),
            r'face_box .*\(4,\) .*\(2,\)',
        ),
        (
            record('b.jpg', gt_age=3, gt_landmarks=[1, 2]),
            r'gt_landmarks .*\(N, 2\) .*\(2,\)',
        ),
        (record('b.jpg', gt_age=3, attributes=[300]), 'attributes .*0 to 255'),
        (record('b.jpg', gt_age=3, attributes=[0.5]), 'attributes .*0 to 255'),
        (record('b.jpg', gt_age='31'), "gt_age .*'31'"),
        (record('b.jpg', gt_age=True), 'gt_age .*True'),
        (record('b.jpg', gt_age=-1), 'gt_age .*0 to 120'),
        (record('b.jpg', gt_age=1987), 'gt_age .*0 to 120'),
        (record('b.jpg', gt_age=3, gt_label=True), 'gt_label .*True'),
        (record('b.jpg', gt_age=3, gt_label=1.0), r'gt_label .*1\.0'),
        (record('b.jpg', gt_age=3, gt_label='x'), "gt_label .*'x'"),
        (record('b.jpg', gt_age=3, face_box=[9, 2, 3, 4]), 'invalid box, x1=9'),
        (record('b.jpg', gt_age=3, gt_landmarks=[['1', '2']]), 'gt_landmarks .*numbers'),
        (record('b.jpg', gt_age=3, gt_landmarks=[[1, 2], [3]]), 'gt_landmarks .*numbers'),
        (record(gt_age=4), r'contradicts data_list\[0\].*3.*4'),
        (dict(record(gt_age=3), split='test'), r"contradicts data_list\[0\].*'train'.*'test'"),
    ],
)
def test_wrong_sample_is_named(write, wrong, message):
    root = write([record(gt_age=3), wrong], task='age', classes=['x', 'y'])
    with pytest.raises(ValueError, match=rf'annotations.json, data_list\[1\]: {message}'):
        FaceCrops(root)


@pytest.mark.parametrize('content', ['{', '[]', '{"metainfo": {}}', '{"data_list": []}'])
def test_wrong_file(tmp_path, content):
    (tmp_path / 'other.json').write_text(content)
    with pytest.raises(ValueError, match='other.json'):
        FaceCrops(tmp_path, ann_file='other.json')


def test_what_is_missing(tmp_path, write):
    with pytest.raises(FileNotFoundError, match='(?s)annotations.json.*to_crops.py'):
        FaceCrops(tmp_path)
    root = write([record(gt_age=3)], task='age')
    with pytest.raises(ValueError, match="split='test' is empty"):
        FaceCrops(root, 'test')
    (root / 'images/train/a.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 1 '):
        FaceCrops(root)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='all'), "split .*'all'"),
        (dict(task='identity'), "task .*'identity'"),
    ],
)
def test_wrong_arguments_are_errors(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        FaceCrops(tmp_path, **kwargs)


def test_lost_images_are_logged(write, logged):
    faces = [record(gt_age=3), record(split='test', gt_age=3)]
    root = write(faces, task='age', skipped=dict(test=2))
    FaceCrops(root, 'train')
    assert not logged
    FaceCrops(root, 'test')
    ((message, level),) = logged
    assert 'lacks 2 images' in message and level == logging.WARNING


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        ([0, 12], 'up to 12, but none is 1.*Name the classes'),
        ([1, 2], 'none is 0'),
        ([0, -3], r'data_list\[1\]: gt_label .*-3.*from 0'),
        ([0, 'Anger'], r"data_list\[1\]: gt_label .*'Anger'"),
        ([0, True], r'data_list\[1\]: gt_label .*True'),
    ],
)
def test_labels_without_names_are_whole_numbers_from_0(write, labels, message):
    records = [record(f'{i}.jpg', gt_label=label) for i, label in enumerate(labels)]
    with pytest.raises(ValueError, match=message):
        FaceCrops(write(records, task='expression'))
    good = [record(f'{i}.jpg', gt_label=i % 3) for i in range(6)]
    dataset = FaceCrops(write(good, task='expression'))
    assert [dataset.get_data_info(i)['gt_label'] for i in range(6)] == [0, 1, 2, 0, 1, 2]


def test_names_in_the_config_are_those_of_the_numbers(write):
    root = write([record(gt_label=2)], task='expression')
    assert FaceCrops(root, classes=('a', 'b', 'c')).get_data_info(0)['gt_label'] == 2
    with pytest.raises(ValueError, match='gt_label .*2.*0 to 1'):
        FaceCrops(root, classes=('a', 'b'))


@pytest.mark.parametrize('classes', ['Anger', ['a', 'a'], [0, 1]])
def test_wrong_names(write, classes):
    with pytest.raises(ValueError, match='annotations.json: classes of metainfo'):
        FaceCrops(write([record(gt_label=0)], task='expression', classes=classes))


def test_faces_of_one_image_may_differ_and_repetitions_are_counted(write, monkeypatch):
    messages = []
    monkeypatch.setattr(
        'mmfer.datasets.annotation_files.print_log', lambda m, *_: messages.append(m)
    )
    faces = [record(gt_age=age, face_box=[0, 0, 9, 10 + age]) for age in (3, 4, 4)]
    assert len(FaceCrops(write(faces, task='age'))) == 3
    assert len(messages) == 1 and '1 entries repeat others' in messages[0]


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_marked_encodings(write, encoding):
    path = write([record(gt_age=3)], task='age') / 'annotations.json'
    path.write_text(path.read_text(), encoding=encoding)
    assert len(FaceCrops(path.parent)) == 1


def test_images_in_the_working_folder(write, monkeypatch):
    root = write([dict(img_path='a.jpg', split='train', gt_age=3)], task='age')
    monkeypatch.chdir(root)
    assert FaceCrops('.').get_data_info(0)['img_path'] == 'a.jpg'


@pytest.mark.parametrize('key', ['gt_landmarks', 'attributes'])
def test_all_faces_have_as_many_points_and_flags(write, key):
    values = dict(gt_landmarks=POINTS, attributes=[0, 1])
    few = dict(values, **{key: values[key][1:]})
    root = write([record(**values), record('b.jpg', **few)], task='landmarks')
    with pytest.raises(ValueError, match=f"b.jpg' has .* {key}, .*a.jpg' has "):
        FaceCrops(root)
