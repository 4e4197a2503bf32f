# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import shutil
from pathlib import Path

import numpy as np
import pytest
from face_trees import WFLW_LISTS, wflw_line, write_wflw
from mmengine.config import Config

from mmfer.datasets import WFLW
from mmfer.datasets.wflw import WFLW_ATTRIBUTES
from mmfer.registry import DATASETS


def names(dataset):
    return [Path(dataset.get_data_info(i)['img_path']).name for i in range(len(dataset))]


def test_a_line_becomes_a_sample(tmp_path):
    write_wflw(tmp_path, [wflw_line('0--Parade/0_Parade_1.jpg', 3, '0 1 0 0 1 0')])
    sample = WFLW(tmp_path).get_data_info(0)
    assert sample['img_path'] == str(tmp_path / 'WFLW_images/0--Parade/0_Parade_1.jpg')
    points = np.array([[13 + i / 2, 20 + i / 4] for i in range(98)], np.float32)
    np.testing.assert_array_equal(sample['gt_landmarks'], points)
    assert sample['gt_landmarks'].dtype == sample['face_box'].dtype == np.float32
    assert sample['face_box'].tolist() == [11, 18, 63, 46]
    assert sample['attributes'].tolist() == [0, 1, 0, 0, 1, 0]
    assert sample['attributes'].dtype == np.uint8
    assert 'gt_label' not in sample


def test_faces_of_one_image_are_samples_of_their_own(tmp_path):
    write_wflw(tmp_path, [wflw_line('a.jpg'), wflw_line('a.jpg', 5), wflw_line('b.jpg')])
    dataset = WFLW(tmp_path)
    assert names(dataset) == ['a.jpg', 'a.jpg', 'b.jpg']
    first, second = (dataset.get_data_info(i)['gt_landmarks'] for i in range(2))
    np.testing.assert_allclose(second - first, [[5, 0]] * 98)


def test_splits(tmp_path):
    write_wflw(tmp_path, [wflw_line(f'train{i}.jpg') for i in range(10)], [wflw_line('test.jpg')])
    assert names(WFLW(tmp_path, 'test')) == ['test.jpg']
    assert len(WFLW(tmp_path, 'train')) == len(WFLW(tmp_path, 'trainval')) == 10
    with pytest.raises(ValueError, match="WFLW.*split='val' .*val_ratio=0"):
        WFLW(tmp_path, 'val')
    parts = {s: names(WFLW(tmp_path, s, val_ratio=0.3)) for s in ('train', 'val', 'trainval')}
    assert sorted(parts['train'] + parts['val']) == sorted(parts['trainval'])
    # Fixed numbers: results on the held-out split stay comparable between versions.
    assert parts['val'] == ['train2.jpg', 'train5.jpg', 'train6.jpg']


def test_holdout_keeps_the_faces_of_an_image_together(tmp_path):
    write_wflw(tmp_path, [wflw_line(f'{i % 10}.jpg', i) for i in range(40)])
    train, val = (names(WFLW(tmp_path, split, val_ratio=0.3)) for split in ('train', 'val'))
    assert len(val) == 12 and not set(train) & set(val)


@pytest.mark.parametrize('index', range(6))
def test_subsets(tmp_path, index):
    lines = [
        wflw_line(f'{i}.jpg', attributes=' '.join('1' if j == i else '0' for j in range(6)))
        for i in range(6)
    ]
    write_wflw(tmp_path, [], lines)
    assert names(WFLW(tmp_path, 'test', subset=WFLW_ATTRIBUTES[index])) == [f'{index}.jpg']


def test_empty_subset_is_an_error(tmp_path):
    write_wflw(tmp_path, [], [wflw_line('a.jpg')])
    with pytest.raises(ValueError, match="split='test' is empty"):
        WFLW(tmp_path, 'test', subset='blur')


def test_names_of_the_attributes_are_in_the_meta_information(tmp_path):
    dataset = WFLW(write_wflw(tmp_path, [wflw_line('a.jpg')]))
    assert dataset.metainfo['attributes'] == WFLW_ATTRIBUTES
    assert 'classes' not in dataset.metainfo
    assert 'subset: \tNone' in repr(dataset)


def spoiled(place, value):
    fields = wflw_line('0--Parade/b.jpg').split()
    fields[place] = value
    return ' '.join(fields)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (wflw_line('b.jpg').split(maxsplit=1)[1], '206 .*207'),
        ('b.jpg 3', '2 .*207.*98'),
        (spoiled(17, 'x'), "field 18 .*'x'"),
        (spoiled(199, 'nan'), "field 200 .*'nan'"),
        (spoiled(203, '2'), "attributes .*'makeup': '2'"),
    ],
)
def test_bad_line_is_named(tmp_path, line, message):
    write_wflw(tmp_path, [wflw_line('a.jpg')])
    path = tmp_path / WFLW_LISTS / 'list_98pt_rect_attr_train.txt'
    path.write_text(f'{wflw_line("a.jpg")}\n{line}\n')
    with pytest.raises(ValueError, match=f'(?s)attr_train.txt, line 2: .*b.jpg.*: {message}'):
        WFLW(tmp_path)


@pytest.mark.parametrize(
    'missing',
    ['WFLW_images', 'WFLW_annotations', f'{WFLW_LISTS}/list_98pt_rect_attr_train.txt'],
)
def test_error_names_missing_files_and_shows_the_layout(tmp_path, missing):
    path = write_wflw(tmp_path, [wflw_line('a.jpg')]) / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=f"(?s)'{tmp_path}/{missing}.*0--Parade/0_Parade"):
        WFLW(tmp_path)


def test_missing_image_is_named(tmp_path):
    write_wflw(tmp_path, [wflw_line('c/a.jpg'), wflw_line('c/b.jpg')])
    (tmp_path / 'WFLW_images/c/b.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='(?s)1 of 2 .*c/b.jpg'):
        WFLW(tmp_path)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='validation'), "split .*'validation'"),
        (dict(val_ratio=1.0), 'val_ratio .*1.0'),
        (dict(subset='large pose'), "subset .*'large pose'"),
    ],
)
def test_wrong_arguments_are_errors(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        WFLW(tmp_path, **kwargs)


def test_real_images(real_data):
    root = real_data / 'wflw_layout'
    train = WFLW(root, pipeline=[dict(type='LoadFaceImage')])
    assert (len(train), len(WFLW(root, 'test'))) == (92, 14)
    for index in range(0, 92, 13):
        sample = train[index]
        points, box = sample['gt_landmarks'], sample['face_box']
        assert sample['img'].shape == (256, 256, 3)
        assert (points >= 0).all() and (points <= 255).all()
        inside = (points >= box[:2] - 1).all(axis=1) & (points <= box[2:] + 1).all(axis=1)
        assert inside.mean() > 0.9
        # The order of the points: outer corners of the eyes apart, pupils between, mouth below.
        assert points[60, 0] < points[96, 0] < points[97, 0] < points[72, 0]
        assert points[76:96, 1].min() > points[60:76, 1].max()


@pytest.mark.parametrize('config', ['wflw_224', 'wflw_64', 'wflw_224_holdout'])
def test_configs_follow_the_published_lists(config, repo_root, tmp_path):
    lines = [wflw_line(f'train{i}.jpg') for i in range(20)]
    write_wflw(tmp_path, lines, [wflw_line(f'test{i}.jpg') for i in range(5)])
    cfg = Config.fromfile(repo_root / f'configs/_base_/datasets/{config}.py')
    parts = {}
    for part in ('train', 'val', 'test'):
        dataset = dict(cfg[f'{part}_dataloader'].dataset, data_root=str(tmp_path))
        parts[part] = names(DATASETS.build(dataset))
    assert parts['test'] == [f'test{i}.jpg' for i in range(5)]
    if config == 'wflw_224_holdout':
        assert len(parts['train']) == 18 and len(parts['val']) == 2
        train = parts['train'] + parts['val']
    else:
        train = parts['train']
        assert parts['val'] == parts['test']
    assert sorted(train) == sorted(f'train{i}.jpg' for i in range(20))
