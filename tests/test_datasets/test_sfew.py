# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import shutil
from pathlib import Path

import pytest
from expression_trees import SFEW_EMOTIONS, write_sfew
from face_trees import write_folders

from mmfer.datasets import EXPRESSIONS, SFEW
from mmfer.datasets.face_dataset import EmptySplitError

ALIGNED = {'Train/Train_Aligned_Faces': 2, 'Val/Val_Aligned_Faces_new': 1}


def labeled(dataset):
    """Return (folder, class name) of all samples."""
    found = []
    for index in range(len(dataset)):
        sample = dataset.get_data_info(index)
        folder = Path(sample['img_path']).parent
        found.append((folder.name, dataset.metainfo['classes'][sample['gt_label']]))
    return found


def folders(dataset):
    """Return the folders of the samples, relative to the root."""
    paths = [Path(dataset.get_data_info(i)['img_path']) for i in range(len(dataset))]
    return {path.relative_to(dataset.data_root).parents[1].as_posix() for path in paths}


def test_folders_become_the_order_of_the_package(tmp_path):
    dataset = SFEW(write_sfew(tmp_path, dict(Train=1)))
    assert dataset.metainfo['classes'] == EXPRESSIONS
    assert labeled(dataset) == [
        ('Angry', 'Anger'),
        ('Disgust', 'Disgust'),
        ('Fear', 'Fear'),
        ('Happy', 'Happiness'),
        ('Neutral', 'Neutral'),
        ('Sad', 'Sadness'),
        ('Surprise', 'Surprise'),
    ]


def test_aligned_faces_are_found(tmp_path):
    write_sfew(tmp_path, ALIGNED)
    assert folders(SFEW(tmp_path)) == {'Train/Train_Aligned_Faces'}
    assert folders(SFEW(tmp_path, 'val')) == {'Val/Val_Aligned_Faces_new'}
    lengths = {split: len(SFEW(tmp_path, split)) for split in ('train', 'val', 'trainval')}
    assert lengths == dict(train=14, val=7, trainval=21)
    assert SFEW(tmp_path, 'val').test_mode and not SFEW(tmp_path).test_mode


def test_own_alignment_in_another_folder(tmp_path):
    write_sfew(tmp_path, {**ALIGNED, 'aligned112/Train': 3})
    assert len(SFEW(tmp_path, image_dir='aligned112/{part}')) == 21
    with pytest.raises(FileNotFoundError, match="/aligned112/Val'"):
        SFEW(tmp_path, 'val', image_dir='aligned112/{part}')


def test_test_part(tmp_path):
    write_sfew(tmp_path, ALIGNED)
    message = "split='test' is empty.*not public.*split='val'"
    with pytest.raises(EmptySplitError, match=message):
        SFEW(tmp_path, 'test')
    write_folders(tmp_path / 'Test', {'Test_Aligned_Faces': 3})  # as given out
    with pytest.raises(EmptySplitError, match=message):
        SFEW(tmp_path, 'test')
    shutil.rmtree(tmp_path / 'Test')
    write_sfew(tmp_path, dict(Test=4))
    assert len(SFEW(tmp_path, 'test')) == 28


def test_some_expressions_in_another_order(tmp_path):
    write_folders(tmp_path / 'Train', dict(Happy=2, Angry=1))
    dataset = SFEW(tmp_path, classes=('Happiness', 'Anger'))
    assert labeled(dataset) == [('Angry', 'Anger')] + 2 * [('Happy', 'Happiness')]
    assert dataset.get_gt_labels().tolist() == [1, 0, 0]


@pytest.mark.parametrize('folder', ['Train', 'Train/Fear'])
def test_error_names_missing_files_and_shows_the_layout(tmp_path, folder):
    write_sfew(tmp_path, dict(Train=1))
    shutil.rmtree(tmp_path / folder)
    with pytest.raises(FileNotFoundError) as error:
        SFEW(tmp_path)
    message = str(error.value)
    assert str(tmp_path / 'Train') in message and 'Train_Aligned_Faces/Angry/Airheads' in message
    assert ("no folder for ['Fear']" in message) == (folder == 'Train/Fear')
    assert f"data_root is '{tmp_path}'" in message


def test_unknown_and_ambiguous_folders(tmp_path):
    write_folders(tmp_path / 'Train', dict.fromkeys((*SFEW_EMOTIONS, 'Calm'), 1))
    with pytest.raises(ValueError, match="'Calm'.*image_dir"):
        SFEW(tmp_path)
    write_sfew(tmp_path, {'Val/Val_Aligned_Faces': 1, 'Val/Val_Aligned_Faces_new': 1})
    with pytest.raises(ValueError, match='Val_Aligned_Faces_new.*image_dir'):
        SFEW(tmp_path, 'val')
    assert len(SFEW(tmp_path, 'val', image_dir='{part}/{part}_Aligned_Faces')) == 7


def test_wrong_split_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="split .*'Val'"):
        SFEW(tmp_path, 'Val')
