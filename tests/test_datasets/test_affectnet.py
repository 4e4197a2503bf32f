# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from expression_trees import (
    affectnet_row,
    write_affectnet_folders,
    write_affectnet_lists,
    write_image,
)

from mmfer.datasets import EXPRESSIONS, EXPRESSIONS_8, AffectNet

#: Meaning of the numbers 0 to 7.
OFFICIAL = ['Neutral', 'Happiness', 'Sadness', 'Surprise', 'Fear', 'Disgust', 'Anger', 'Contempt']
WRITERS = pytest.mark.parametrize('write', [write_affectnet_lists, write_affectnet_folders])
LIST = 'Manually_Annotated_file_lists/training.csv'


def names(dataset):
    return [Path(dataset.get_data_info(i)['img_path']).name for i in range(len(dataset))]


@WRITERS
def test_numbers_of_the_files_become_the_order_of_the_package(tmp_path, write):
    write(tmp_path, range(8), [7, 0])
    eight = AffectNet(tmp_path, num_classes=8)
    assert eight.metainfo['classes'] == EXPRESSIONS_8
    assert [EXPRESSIONS_8[label] for label in eight.get_gt_labels()] == OFFICIAL
    seven = AffectNet(tmp_path)
    assert seven.metainfo['classes'] == EXPRESSIONS
    assert [EXPRESSIONS[label] for label in seven.get_gt_labels()] == OFFICIAL[:7]
    assert AffectNet(tmp_path, 'val', num_classes=8).get_gt_labels().tolist() == [7, 6]
    assert AffectNet(tmp_path, 'val').get_gt_labels().tolist() == [6]


def test_other_labels_than_expressions_are_skipped_and_counted(tmp_path, logged):
    write_affectnet_lists(tmp_path, [0, 8, 9, 10, 7, 1], [0])
    assert len(AffectNet(tmp_path, num_classes=8)) == 3
    assert len(AffectNet(tmp_path)) == 2
    assert [message.split(': ')[1].split(',')[0] for message, _ in logged] == [
        '3 samples are skipped',
        '4 samples are skipped',
    ]
    assert {level for _, level in logged} == {logging.INFO}


def test_boxes_of_the_lists(tmp_path):
    write_affectnet_lists(tmp_path, [3], [3])
    sample = AffectNet(tmp_path).get_data_info(0)
    # x, y, width, height in the file: 2, 3, 16, 18.
    assert sample['face_box'].tolist() == [2, 3, 18, 21]
    assert sample['face_box'].dtype == np.float32


def test_images_without_a_face_need_no_box(tmp_path):
    write_affectnet_lists(tmp_path, [3], [3])
    with open(tmp_path / LIST, 'a') as file:
        file.write(affectnet_row('1/none.jpg', 10, ['NULL'] * 4) + '\n')
    assert len(AffectNet(tmp_path)) == 1


def test_validation_list_without_a_header(tmp_path):
    write_affectnet_lists(tmp_path, [0], [1, 2], val_header=False)
    assert names(AffectNet(tmp_path, 'val')) == ['validation000.jpg', 'validation001.jpg']


def test_nested_folder_of_the_images(tmp_path):
    write_affectnet_lists(tmp_path, [0, 1], [1])
    (tmp_path / 'Manually_Annotated').mkdir()
    shutil.move(tmp_path / 'Manually_Annotated_Images', tmp_path / 'Manually_Annotated')
    assert len(AffectNet(tmp_path)) == 2


def test_own_crops(tmp_path):
    write_affectnet_lists(tmp_path, [0, 1], [1])
    for number in range(2):
        write_image(tmp_path / f'aligned/{number + 1}/training{number:03d}.png')
    dataset = AffectNet(tmp_path, image_dir='aligned', image_name='{stem}.png')
    assert names(dataset) == ['training000.png', 'training001.png']
    assert 'face_box' not in dataset.get_data_info(0), 'it is one of the uncropped image'


@WRITERS
def test_splits_without_holdout(tmp_path, write):
    write(tmp_path, range(7), [1, 2, 3])
    lengths = {split: len(AffectNet(tmp_path, split)) for split in ('train', 'trainval', 'val')}
    assert lengths == dict(train=7, trainval=7, val=3)
    with pytest.raises(ValueError, match="split='test'.*'val'"):
        AffectNet(tmp_path, 'test')


@WRITERS
def test_holdout_parts_the_training_list(tmp_path, write):
    root = write(tmp_path / 'here', [0] * 20 + [1] * 10, [1, 2, 3])
    parts = {
        split: AffectNet(root, split, val_ratio=0.2)
        for split in ('train', 'val', 'trainval', 'test')
    }
    # A fifth of each class: 4 of 20 neutral and 2 of 10 happy faces.
    assert np.bincount(parts['val'].get_gt_labels(), minlength=7).tolist() == [0, 0, 0, 0, 2, 0, 4]
    train, val = names(parts['train']), names(parts['val'])
    assert not set(train) & set(val) and sorted(train + val) == sorted(names(parts['trainval']))
    assert names(parts['test']) == names(AffectNet(root, 'val'))
    # The selection is the same in any folder.
    root = root.rename(tmp_path / 'elsewhere')
    assert names(AffectNet(root, 'val', val_ratio=0.2)) == val


def test_folders_are_read_in_the_order_of_their_numbers(tmp_path):
    write_affectnet_folders(tmp_path, [1] * 11, [1])
    assert names(AffectNet(tmp_path)) == [f'{number}.jpg' for number in range(11)]


@pytest.mark.parametrize('value', [np.array(3), np.array(b'3'), np.array(['3'])])
def test_other_ways_to_store_a_number(tmp_path, value):
    write_affectnet_folders(tmp_path, [1], [1])
    np.save(tmp_path / 'train_set/annotations/0_exp.npy', value)
    if value.dtype.kind == 'S':
        with pytest.raises(ValueError, match='0_exp.npy .*label'):
            AffectNet(tmp_path)
    else:
        assert AffectNet(tmp_path).get_gt_labels().tolist() == [EXPRESSIONS.index('Surprise')]


@WRITERS
def test_valence_and_arousal(tmp_path, write):
    write(tmp_path, [0, 1], [7, 2])
    assert 'gt_valence_arousal' not in AffectNet(tmp_path).get_data_info(0)
    for split in ('train', 'val'):
        dataset = AffectNet(tmp_path, split, valence_arousal=True)
        for index in range(len(dataset)):
            place = dataset.get_data_info(index)['gt_valence_arousal']
            assert place.dtype == np.float32
            np.testing.assert_array_equal(place, np.float32([0.1, -0.2]))
    # The face with Contempt has none of the seven classes, but other labels.
    assert dataset.get_gt_labels().tolist() == [-1, EXPRESSIONS.index('Sadness')]
    eight = AffectNet(tmp_path, 'val', num_classes=8, valence_arousal=True)
    assert eight.get_gt_labels().tolist() == [7, 3]


def test_what_has_either_label_is_kept(tmp_path):
    path = write_affectnet_lists(tmp_path, [3], [3]) / LIST
    for number, (label, place) in enumerate(
        [(8, (0.5, 1)), (9, (-2, -2)), (1, (-2, 0)), (10, (-2, -2))]
    ):
        box = ['NULL'] * 4 if label == 10 else (2, 3, 16, 18)
        with open(path, 'a') as file:
            file.write(affectnet_row(f'9/{number}.jpg', label, box, place) + '\n')
        write_image(tmp_path / f'Manually_Annotated_Images/9/{number}.jpg')
    dataset = AffectNet(tmp_path, valence_arousal=True)
    assert names(dataset) == ['training000.jpg', '0.jpg', '2.jpg']
    samples = [dataset.get_data_info(index) for index in range(3)]
    assert [sample['gt_label'] for sample in samples] == [5, -1, 4]
    assert all(sample['face_box'].tolist() == [2, 3, 18, 21] for sample in samples)
    places = [sample['gt_valence_arousal'] for sample in samples]
    np.testing.assert_array_equal(places, np.float32([(0.1, -0.2), (0.5, 1), [np.nan] * 2]))


@pytest.mark.parametrize('value', ['1.5', '-3', 'happy', 'nan'])
def test_wrong_valence_is_named(tmp_path, value):
    path = write_affectnet_lists(tmp_path / 'lists', [3], [3]) / LIST
    path.write_text(path.read_text().replace(',0.1,', f',{value},'))
    with pytest.raises(ValueError, match=f'line 2: .*{value}'):
        AffectNet(tmp_path / 'lists', valence_arousal=True)
    write_affectnet_folders(tmp_path / 'folders', [1], [1])
    file = tmp_path / 'folders/train_set/annotations/0_val.npy'
    np.save(file, np.array(value))
    with pytest.raises(ValueError, match=f'0_val.npy .*{value}'):
        AffectNet(tmp_path / 'folders', valence_arousal=True)
    file.unlink()
    with pytest.raises(FileNotFoundError, match='0_val.npy'):
        AffectNet(tmp_path / 'folders', valence_arousal=True)


class Runs:
    """Creates a file if it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_not_run(tmp_path):
    write_affectnet_folders(tmp_path, [1], [1])
    label = np.array(Runs(tmp_path / 'it_ran'), object)
    np.save(tmp_path / 'train_set/annotations/0_exp.npy', label, allow_pickle=True)
    with pytest.raises(ValueError, match='0_exp.npy'):
        AffectNet(tmp_path)
    assert not (tmp_path / 'it_ran').exists()


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1/a.jpg,1,2,3', 'line 3: .*4 .*9'),
        (affectnet_row('1/a.jpg', 11), "line 3: .*label '11'"),
        (affectnet_row('1/a.jpg', 1, (1, 2, 'NULL', 3)), "line 3: .*'NULL'"),
        (affectnet_row('1/a.jpg', 1, (1, 2, 0, 3)), 'line 3: .*invalid box'),
        (affectnet_row('1/a.jpg', 1, (1, 'nan', 2, 3)), 'line 3: .*invalid box'),
    ],
)
def test_error_names_the_wrong_line(tmp_path, line, message):
    path = write_affectnet_lists(tmp_path, [0], [0]) / LIST
    path.write_text(path.read_text() + line)
    with pytest.raises(ValueError, match=message) as error:
        AffectNet(tmp_path)
    assert str(path) in str(error.value) and '1/a.jpg' in str(error.value)


def test_error_names_a_missing_image(tmp_path):
    write_affectnet_lists(tmp_path, [0, 1], [0])
    path = tmp_path / 'Manually_Annotated_Images/2/training001.jpg'
    write_image(path.with_name('another.jpg'))
    path.unlink()
    with pytest.raises(FileNotFoundError, match='1 of 2 ') as error:
        AffectNet(tmp_path)
    assert str(path) in str(error.value)


def test_error_names_a_missing_label(tmp_path):
    write_affectnet_folders(tmp_path, [0, 1], [0])
    path = tmp_path / 'train_set/annotations/1_exp.npy'
    path.unlink()
    with pytest.raises(FileNotFoundError, match='(?s)train_set/images') as error:
        AffectNet(tmp_path)
    assert f"'{path}'" in str(error.value)


def test_both_releases_at_once_are_an_error(tmp_path):
    write_affectnet_lists(tmp_path, [0], [0])
    write_affectnet_folders(tmp_path, [0], [0])
    with pytest.raises(ValueError, match='Manually_Annotated.*train_set'):
        AffectNet(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='(?s)training.csv.*train_set/images'):
        AffectNet(tmp_path)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='validation'), "split .*'validation'"),
        (dict(num_classes=9), 'num_classes .*9'),
        (dict(val_ratio=1.0), 'val_ratio .*1.0'),
        (dict(image_dir='aligned'), 'image_dir'),
    ],
)
def test_wrong_arguments_are_errors(tmp_path, kwargs, message):
    write_affectnet_folders(tmp_path, [0], [0])
    with pytest.raises(ValueError, match=message):
        AffectNet(tmp_path, **kwargs)
