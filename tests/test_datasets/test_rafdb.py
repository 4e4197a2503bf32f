# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import shutil
from collections import Counter
from pathlib import Path

import pytest
from rafdb_tree import write_rafdb

from mmfer.datasets import EXPRESSIONS, RAFDB


def names(dataset):
    return [Path(dataset.get_data_info(i)['img_path']).name for i in range(len(dataset))]


def test_numbers_of_the_files_become_the_order_of_the_package(tmp_path):
    dataset = RAFDB(write_rafdb(tmp_path), split='train')
    official = ['Surprise', 'Fear', 'Disgust', 'Happiness', 'Sadness', 'Anger', 'Neutral']
    assert [EXPRESSIONS[label] for label in dataset.get_gt_labels()] == official
    assert dataset.metainfo['classes'] == EXPRESSIONS


def test_splits_without_holdout(tmp_path):
    write_rafdb(tmp_path, train=[1, 2, 3], test=[4, 5])
    train = ['train_00001_aligned.jpg', 'train_00002_aligned.jpg', 'train_00003_aligned.jpg']
    assert names(RAFDB(tmp_path, split='train')) == train
    assert names(RAFDB(tmp_path, split='trainval')) == train
    assert names(RAFDB(tmp_path, split='test')) == [
        'test_0001_aligned.jpg',
        'test_0002_aligned.jpg',
    ]
    with pytest.raises(ValueError, match="split='val' .*val_ratio=0"):
        RAFDB(tmp_path, split='val')


def test_holdout_parts_the_training_list(tmp_path):
    write_rafdb(tmp_path, train=[4] * 20 + [6] * 10)
    parts = {
        split: names(RAFDB(tmp_path, split=split, val_ratio=0.2))
        for split in ('train', 'val', 'trainval', 'test')
    }
    assert len(parts['val']) == 6
    assert not set(parts['train']) & set(parts['val'])
    assert set(parts['train']) | set(parts['val']) == set(parts['trainval'])
    assert all(name.startswith('test_') for name in parts['test'])


def test_root_may_be_the_basic_folder_itself(tmp_path):
    write_rafdb(tmp_path)
    assert names(RAFDB(tmp_path / 'basic')) == names(RAFDB(tmp_path))


def test_own_alignment_in_another_folder(tmp_path):
    write_rafdb(tmp_path, train=[1, 2], test=[3])
    own = tmp_path / 'basic/aligned224'
    own.mkdir()
    for path in (tmp_path / 'basic/Image/aligned').iterdir():
        shutil.copy(path, own / path.name.replace('_aligned.jpg', '.png'))
    dataset = RAFDB(tmp_path, image_dir='aligned224', image_name='{stem}.png')
    assert names(dataset) == ['train_00001.png', 'train_00002.png']


def test_only_evaluation_splits_are_strict(tmp_path):
    write_rafdb(tmp_path)
    assert RAFDB(tmp_path, split='test').test_mode
    assert not RAFDB(tmp_path, split='train').test_mode
    assert RAFDB(tmp_path, split='train', test_mode=True).test_mode


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='validation'), "split .*'validation'"),
        (dict(val_ratio=1.0), 'val_ratio .*1.0'),
        (dict(max_bad_images=-1), 'max_bad_images .*-1'),
    ],
)
def test_refuses_wrong_arguments(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        RAFDB(tmp_path, **kwargs)


@pytest.mark.parametrize(
    'missing',
    ['basic', 'basic/EmoLabel', 'basic/EmoLabel/list_patition_label.txt', 'basic/Image/aligned'],
)
def test_names_what_is_missing_and_shows_the_layout(tmp_path, missing):
    path = write_rafdb(tmp_path) / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError) as error:
        RAFDB(tmp_path)
    message = str(error.value)
    first_missing = path / 'Image/aligned' if missing == 'basic' else path
    assert f"'{first_missing}" in message
    assert 'list_patition_label.txt' in message and 'train_00001_aligned.jpg' in message
    assert f"data_root is '{tmp_path}'" in message


def test_missing_root(tmp_path):
    with pytest.raises(FileNotFoundError, match="/nowhere'"):
        RAFDB(tmp_path / 'nowhere')


def test_missing_images_are_counted_and_the_first_named(tmp_path):
    write_rafdb(tmp_path, train=[1] * 9)
    for number in range(2, 10):
        (tmp_path / f'basic/Image/aligned/train_{number:05d}_aligned.jpg').unlink()
    with pytest.raises(FileNotFoundError) as error:
        RAFDB(tmp_path)
    message = str(error.value)
    assert '8 of 9 listed images are missing' in message
    assert 'train_00002_aligned.jpg' in message and 'train_00006_aligned.jpg' in message
    assert 'train_00007_aligned.jpg' not in message and 'and 3 more' in message


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('train_00002.jpg 8', "label '8'"),
        ('train_00002.jpg 0', "label '0'"),
        ('train_00002.jpg -1', "label '-1'"),
        ('train_00002.jpg fear', "label 'fear'"),
        ('train_00002.jpg', 'not like'),
        ('validation_2.jpg 3', 'not like'),
    ],
)
def test_bad_line_is_named(tmp_path, line, message):
    write_rafdb(tmp_path)
    path = tmp_path / 'basic/EmoLabel/list_patition_label.txt'
    path.write_text(f'train_00001.jpg 1\n{line}\n')
    with pytest.raises(ValueError, match=f"list_patition_label.txt, line 2: '{line}': {message}"):
        RAFDB(tmp_path)


def test_empty_split_is_an_error(tmp_path):
    write_rafdb(tmp_path, test=[])
    with pytest.raises(ValueError, match="RAFDB.*split='test'"):
        RAFDB(tmp_path, split='test')


def test_classes_are_mapped_by_name(tmp_path):
    write_rafdb(tmp_path, train=[7, 4], test=[1])
    dataset = RAFDB(tmp_path, metainfo=dict(classes=sorted(EXPRESSIONS)))
    assert dataset.get_gt_labels().tolist() == [4, 3]


def test_real_pictures(real_data):
    root = real_data / 'rafdb_layout'
    train = RAFDB(root, pipeline=[dict(type='LoadFaceImage')])
    assert (len(train), len(RAFDB(root, split='test'))) == (6128, 885)
    assert train[0]['img'].shape == (112, 112, 3)
    counts = Counter(EXPRESSIONS[label] for label in train.get_gt_labels())
    assert counts.most_common(1)[0][0] in ('Neutral', 'Happiness')
    assert counts['Fear'] < 20 and counts['Disgust'] < 20
    held_out = RAFDB(root, split='val', val_ratio=0.1)
    assert len(held_out) == pytest.approx(613, abs=4)
