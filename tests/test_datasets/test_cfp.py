# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import shutil
from collections import Counter
from pathlib import Path

import pytest
from face_trees import write_cfp

from mmfer.datasets import CFP
from mmfer.datasets.splits import random_cfp_split, stratified_cfp_split, write_split_file


def keys(dataset):
    """Return person/image of each sample."""
    paths = [Path(dataset.get_data_info(i)['img_path']) for i in range(len(dataset))]
    return [f'{path.parts[-3]}/{path.stem}' for path in paths]


@pytest.mark.parametrize(
    ('options', 'rule'),
    [
        ({}, random_cfp_split),
        (dict(split_rule='random'), random_cfp_split),
        (dict(split_rule='stratified'), stratified_cfp_split),
    ],
)
def test_parts_are_those_of_the_rule(tmp_path, options, rule):
    write_cfp(tmp_path)
    listed = sorted(rule().items())
    for split in ('train', 'val', 'test'):
        wanted = [name for name, part in listed if part == split and name < '004']
        assert keys(CFP(tmp_path, split, **options)) == wanted
    test = CFP(tmp_path, 'test', **options)
    assert len(CFP(tmp_path, 'trainval', **options)) == 30 - len(test)


def test_unknown_rule(tmp_path):
    with pytest.raises(ValueError, match="split_rule .*'random', 'stratified'.*'person'"):
        CFP(write_cfp(tmp_path), split_rule='person')


def test_classes_are_the_people_there(tmp_path):
    write_cfp(tmp_path, [2, 7, 500])
    for split in ('train', 'test'):
        dataset = CFP(tmp_path, split, split_rule='stratified')
        assert dataset.metainfo['classes'] == ('002', '007', '500')
        assert {key[:3] for key in keys(dataset)} == {'002', '007', '500'}
        assert [('002', '007', '500')[label] for label in dataset.get_gt_labels()] == [
            key[:3] for key in keys(dataset)
        ]


@pytest.mark.parametrize(
    'name', ['Data/Images/002/frontal/07.jpg', r'Data\Images\002\frontal\07.jpg']
)
def test_keys_are_equal_on_all_systems(tmp_path, name):
    assert CFP(write_cfp(tmp_path)).split_key(name) == '002/07'


def test_people_can_be_selected(tmp_path):
    write_cfp(tmp_path, [1, 2, 3])
    dataset = CFP(tmp_path, classes=['003', '001'], split_rule='stratified')
    assert Counter(key[:3] for key in keys(dataset)) == {'001': 7, '003': 7}
    assert dataset.get_gt_labels().tolist() == [0] * 7 + [1] * 7
    with pytest.raises(ValueError, match="classes name '009'; known are '001', '002', '003'"):
        CFP(tmp_path, classes=['001', '009'])


def test_root_may_be_the_data_folder_itself(tmp_path):
    write_cfp(tmp_path)
    assert keys(CFP(tmp_path / 'Data')) == keys(CFP(tmp_path))


def test_profile_images_are_not_read(tmp_path):
    write_cfp(tmp_path)
    dataset = CFP(tmp_path, 'trainval')
    assert all('/frontal/' in dataset.get_data_info(i)['img_path'] for i in range(len(dataset)))


def test_missing_image_is_named(tmp_path):
    write_cfp(tmp_path)
    (train, *_) = keys(CFP(tmp_path))
    person, image = train.split('/')
    (tmp_path / f'Data/Images/{person}/frontal/{image}.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='1 of ') as error:
        CFP(tmp_path)
    assert f'{person}/frontal/{image}.jpg' in str(error.value)


@pytest.mark.parametrize('missing', ['Data', 'Data/Images', 'Data/Images/002/frontal'])
def test_error_names_missing_files_and_shows_the_layout(tmp_path, missing):
    shutil.rmtree(write_cfp(tmp_path) / missing)
    with pytest.raises(FileNotFoundError, match='(?s)Images/001/frontal/01.jpg'):
        CFP(tmp_path)


def test_nobody_there_is_an_error(tmp_path):
    (tmp_path / 'Data/Images').mkdir(parents=True)
    with pytest.raises(ValueError, match="split='train' is empty"):
        CFP(tmp_path)


def test_people_that_the_list_does_not_know(tmp_path):
    write_cfp(tmp_path, [1, 501])
    with pytest.raises(ValueError, match="'501/01'"):
        CFP(tmp_path)
    split = tmp_path / 'split.csv'
    write_split_file(split, [('501/frontal/03.jpg', 'test'), ('501/04', 'train'), ('1/5', 'val')])
    assert keys(CFP(tmp_path, 'test', split_file=split)) == ['501/03']
    assert keys(CFP(tmp_path, 'val', split_file=split)) == ['001/05']


def test_wrong_name_in_a_split_file(tmp_path):
    write_cfp(tmp_path)
    (tmp_path / 'split.csv').write_text('anna.jpg,test\n')
    with pytest.raises(ValueError, match='split.csv, line 1: .*001/07'):
        CFP(tmp_path, split_file=tmp_path / 'split.csv')


def test_real_images(real_data):
    root = real_data / 'cfp_layout'
    splits = ('train', 'val', 'trainval', 'test')
    counts = {split: len(CFP(root, split, split_rule='stratified')) for split in splits}
    assert counts == dict(train=273, val=63, trainval=336, test=54)
    counts = {split: len(CFP(root, split)) for split in splits}
    assert counts['train'] + counts['val'] == counts['trainval'] == 390 - counts['test']
    train = CFP(root, pipeline=[dict(type='LoadFaceImage')])
    assert len(train.metainfo['classes']) == 39 and set(train.get_gt_labels()) == set(range(39))
    assert train[0]['img'].shape == (112, 92, 3)
