# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from expression_trees import fer2013_pixels
from face_trees import write_folders

from mmfer.datasets import EXPRESSIONS, FER2013

FOLDERS = ('angry', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
USAGES = ('Training', 'PublicTest', 'PrivateTest')
#: The classes in the table's order.
OF_THE_TABLE = ('Anger', 'Disgust', 'Fear', 'Happiness', 'Sadness', 'Surprise', 'Neutral')


def write_table(root, rows, header='emotion,pixels,Usage'):
    """Write ``fer2013.csv`` with (emotion, usage) rows and the column order of the header."""
    lines = [header]
    for number, (emotion, usage) in enumerate(rows):
        pixels = ' '.join(map(str, fer2013_pixels(number).ravel()))
        cells = {'emotion': str(emotion), 'pixels': pixels, 'Usage': usage}
        lines.append(','.join(cells[name.strip()] for name in header.split(',')))
    (root / 'fer2013.csv').write_text('\n'.join(lines) + '\n')
    return root


def write_parts(root, train=10, test=2):
    for part, count in (('train', train), ('test', test)):
        write_folders(root / part, dict.fromkeys(FOLDERS, count))
    return root


def named(dataset):
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [(s['img_path'], EXPRESSIONS[s['gt_label']]) for s in samples]


@pytest.mark.parametrize('header', ['emotion,pixels,Usage', 'emotion, Usage, pixels'])
def test_the_table(tmp_path, header):
    rows = [(number, usage) for usage in USAGES for number in range(7)]
    write_table(tmp_path, rows, header)
    for start, split in enumerate(('train', 'val', 'test')):
        dataset = FER2013(tmp_path, split=split, pipeline=[dict(type='LoadFaceImage')])
        assert [name for _, name in named(dataset)] == list(OF_THE_TABLE)
        assert dataset.test_mode == (split != 'train')
        for index in range(7):
            image = dataset[index]['img']
            assert np.array_equal(image, fer2013_pixels(7 * start + index)[..., None].repeat(3, 2))
    assert len(FER2013(tmp_path, split='trainval')) == 14


def test_folders(tmp_path):
    write_parts(tmp_path)
    dataset = FER2013(tmp_path, split='test')
    assert dataset.metainfo['classes'] == EXPRESSIONS
    meanings = dict(zip(FOLDERS, sorted(EXPRESSIONS), strict=True))  # the same alphabet
    assert {(Path(path).parent.name, name) for path, name in named(dataset)} == {*meanings.items()}
    assert len(dataset) == 14 and len(FER2013(tmp_path)) == 70
    assert FER2013(tmp_path, pipeline=[dict(type='LoadFaceImage')])[69]['img'].shape[2] == 3


def test_folders_have_a_validation_part_by_ratio(tmp_path):
    write_parts(tmp_path)
    with pytest.raises(ValueError, match=r"split='val' .*val_ratio"):
        FER2013(tmp_path, split='val')
    parts = {
        split: named(FER2013(tmp_path, split=split, val_ratio=0.2))
        for split in ('train', 'val', 'trainval', 'test')
    }
    assert [name for _, name in parts['val']] == [n for n in sorted(EXPRESSIONS) for _ in 'ab']
    assert sorted(parts['train'] + parts['val']) == sorted(parts['trainval'])
    assert len(parts['trainval']) == 70 and len(parts['test']) == 14
    # Names of folders and formats have no effect.
    for folder in FOLDERS:
        (tmp_path / f'train/{folder}').rename(tmp_path / f'train/{folder.title()}')
    renamed = named(FER2013(tmp_path, split='val', val_ratio=0.2))
    assert [Path(path).name for path, _ in renamed] == [Path(p).name for p, _ in parts['val']]


def test_the_table_has_a_validation_part(tmp_path):
    write_table(write_parts(tmp_path), [(3, usage) for usage in USAGES])
    assert len(FER2013(tmp_path, split='val')) == 1
    with pytest.raises(ValueError, match='val_ratio=0.1 is for folders'):
        FER2013(tmp_path, split='val', val_ratio=0.1)


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ((7, 'Training'), "row 2: label '7'; known are"),
        (('happy', 'Training'), "row 2: label 'happy'"),
        ((1, 'Test'), "row 2: Usage is 'Test', not one of .*'PrivateTest'"),
    ],
)
def test_wrong_rows(tmp_path, row, message):
    write_table(tmp_path, [(0, 'Training'), row])
    with pytest.raises(ValueError, match=message):
        FER2013(tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        FER2013(tmp_path)
    for looked_for in ("fer2013.csv'", "'train' and 'test'", 'train/angry/', str(tmp_path)):
        assert looked_for in str(error.value)
    write_folders(tmp_path / 'train', dict.fromkeys(FOLDERS[1:], 1))
    with pytest.raises(FileNotFoundError, match="no folder for .'Anger'"):
        FER2013(tmp_path)
    with pytest.raises(FileNotFoundError, match="/test' does not exist"):
        FER2013(tmp_path, split='test')
    (tmp_path / 'train/contempt').mkdir()
    with pytest.raises(ValueError, match="has the folders 'contempt'; known are"):
        FER2013(tmp_path)
