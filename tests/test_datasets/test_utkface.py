# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from collections import Counter
from pathlib import Path

import pytest
from face_trees import utkface_names, write_utkface

from mmfer.datasets import UTKFace
from mmfer.datasets.splits import split_by_name, write_split_file

INCOMPLETE = '61_1_20170109142408075.jpg.chip.jpg'


def names(dataset):
    return [Path(dataset.get_data_info(i)['img_path']).name for i in range(len(dataset))]


def in_one_part(count):
    """Return names of training images."""
    chosen = [n for n in utkface_names(10 * count) if split_by_name(n.split('.')[0]) == 'train']
    return chosen[:count]


def test_labels_come_from_the_names(tmp_path):
    first, *_ = in_one_part(1)
    age, gender, race = map(int, first.split('_')[:3])
    sample = UTKFace(write_utkface(tmp_path, [first])).get_data_info(0)
    assert sample['gt_age'] == age and isinstance(sample['gt_age'], float)
    assert (sample['gender'], sample['race']) == (gender, race)
    assert 'gt_label' not in sample


def test_parts_are_disjoint_and_exhaustive_and_known(tmp_path):
    write_utkface(tmp_path, utkface_names(60))
    parts = {split: names(UTKFace(tmp_path, split)) for split in ('train', 'val', 'test')}
    assert sorted(sum(parts.values(), [])) == sorted(utkface_names(60))
    assert sorted(parts['train'] + parts['val']) == sorted(names(UTKFace(tmp_path, 'trainval')))
    # Fixed numbers: results stay comparable between versions.
    ages = [int(name.split('_')[0]) for name in parts['test']]
    assert ages == [12, 19, 24, 27, 42, 4, 51, 53, 60, 7]


def test_an_image_keeps_its_split(tmp_path):
    write_utkface(tmp_path / 'all', utkface_names(60))
    write_utkface(tmp_path / 'some', utkface_names(60)[::2])
    wild = [name.replace('.chip.jpg', '') for name in utkface_names(60)]
    write_utkface(tmp_path / 'wild/part2', wild)
    test = names(UTKFace(tmp_path / 'all', 'test'))
    assert names(UTKFace(tmp_path / 'wild', 'test')) == [n.replace('.chip.jpg', '') for n in test]
    assert set(names(UTKFace(tmp_path / 'some', 'test'))) == set(test) & set(utkface_names(60)[::2])


@pytest.mark.parametrize('folder', ['', 'UTKFace', 'part1'])
def test_layouts(tmp_path, folder):
    write_utkface(tmp_path / folder, in_one_part(3))
    assert sorted(names(UTKFace(tmp_path))) == sorted(in_one_part(3))


def test_three_parts_in_the_wild(tmp_path):
    for part, name in zip(('part1', 'part2', 'part3'), in_one_part(3), strict=True):
        write_utkface(tmp_path / part, [name])
    assert len(UTKFace(tmp_path)) == 3


def test_both_releases_at_once_are_an_error(tmp_path):
    write_utkface(tmp_path / 'UTKFace', in_one_part(2))
    write_utkface(tmp_path / 'part1', in_one_part(1))
    with pytest.raises(ValueError, match='2 in UTKFace, 1 in part1'):
        UTKFace(tmp_path)


def test_names_without_a_label_are_named_and_skipped(tmp_path, logged):
    too_old = '117_0_0_20170109142408075.jpg'
    write_utkface(tmp_path, [*in_one_part(3), INCOMPLETE, too_old])
    dataset = UTKFace(tmp_path)
    assert len(dataset) == 3
    ((message, level),) = logged
    assert level == logging.WARNING and '2 files are skipped' in message
    assert f'{INCOMPLETE}: not like' in message and f'{too_old}: age 117 is not in 1 to' in message
    assert [Path(path).name for path, _ in dataset.bad_names] == [too_old, INCOMPLETE]


@pytest.mark.parametrize('name', ['0_0_0_1.jpg', '25_2_0_1.jpg', '25_0_5_1.jpg', 'a_0_0_1.jpg'])
def test_too_many_names_without_a_label_are_an_error(tmp_path, name):
    write_utkface(tmp_path, [*in_one_part(3), name])
    with pytest.raises(ValueError, match='1 .*max_bad_names=0') as error:
        UTKFace(tmp_path, max_bad_names=0)
    assert name in str(error.value)


def test_custom_split(tmp_path, logged):
    chosen = in_one_part(4)
    write_utkface(tmp_path, chosen)
    split = tmp_path / 'split.csv'
    parts = [
        (f'elsewhere/{chosen[0]}', 'test'),
        (chosen[1].split('.')[0], 'val'),
        (chosen[2], 'test'),
    ]
    write_split_file(split, parts)
    assert sorted(names(UTKFace(tmp_path, 'test', split_file=split))) == sorted(chosen[0:3:2])
    assert names(UTKFace(tmp_path, 'val', split_file=str(split))) == [chosen[1]]
    message, _ = logged[0]
    assert 'names 3 of 4 images; the other 1 are skipped' in message
    assert chosen[3].split('.')[0] in message
    write_split_file(split, [*parts, ('7_0_0_1.jpg', 'train')])
    with pytest.raises(FileNotFoundError, match="1 of .*4 .*'7_0_0_1'"):
        UTKFace(tmp_path, split_file=split)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='all'), "split .*'all'"),
        (dict(max_bad_names=-1), 'max_bad_names .*-1'),
    ],
)
def test_wrong_arguments_are_errors(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        UTKFace(tmp_path, **kwargs)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='(?s)part1/25_0_2') as error:
        UTKFace(tmp_path)
    assert f"data_root is '{tmp_path}'" in str(error.value)
    with pytest.raises(FileNotFoundError, match="/nowhere'"):
        UTKFace(tmp_path / 'nowhere')


def test_repr_says_what_it_is(tmp_path):
    text = repr(UTKFace(write_utkface(tmp_path, in_one_part(2))))
    assert 'Number of samples: \t2' in text and 'split: \ttrain' in text
    assert 'categories' not in text


def test_real_images(real_data):
    root = real_data / 'utkface_layout'
    parts = {split: UTKFace(root, split) for split in ('train', 'val', 'test')}
    counts = Counter({split: len(dataset) for split, dataset in parts.items()})
    assert counts == dict(train=129, val=24, test=30)
    ages = [d.get_data_info(i)['gt_age'] for d in parts.values() for i in range(len(d))]
    assert len(ages) == 183 and (min(ages), max(ages)) == (17, 54)
    assert UTKFace(root, pipeline=[dict(type='LoadFaceImage')])[0]['img'].shape == (224, 224, 3)
