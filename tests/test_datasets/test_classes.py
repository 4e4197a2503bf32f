# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""``classes`` as a subset or in another order works the same in all datasets."""

import json
import logging

import pytest
from expression_trees import (
    expw_line,
    unanimous,
    write_affectnet_folders,
    write_affectnet_lists,
    write_expw,
    write_ferplus,
    write_sfew,
)
from face_trees import write_cfp, write_folders, write_image
from rafdb_tree import write_rafdb

from mmfer.datasets import EXPRESSIONS, FaceDataset
from mmfer.registry import DATASETS

NUMBERS = list(range(8)) * 2


def write_crops(root, classes=EXPRESSIONS):
    records = [
        dict(img_path=f'{i}.jpg', split='train', gt_label=i % len(classes)) for i in range(14)
    ]
    for record in records:
        write_image(root / record['img_path'])
    metainfo = dict(task='expression', classes=classes)
    content = json.dumps(dict(metainfo=metainfo, data_list=records))
    (root / 'annotations.json').write_text(content)
    return root


WRITERS = {
    'RAFDB': lambda root: write_rafdb(root, [*range(1, 8)] * 2),
    'FER2013': lambda root: write_folders(
        root,
        {
            f'train/{name}': 2
            for name in ('angry', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
        },
    ),
    'FERPlus': lambda root: write_ferplus(root, [('Training', unanimous(c)) for c in NUMBERS]),
    'AffectNet': lambda root: write_affectnet_lists(root, NUMBERS, [0]),
    'AffectNet folders': lambda root: write_affectnet_folders(root, NUMBERS, [0]),
    'AffectNetHQ': lambda root: write_folders(
        root, dict.fromkeys(('anger', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise'), 9)
    ),
    'SFEW': lambda root: write_sfew(root, dict(Train=2)),
    'ExpW': lambda root: write_expw(root, [expw_line(f'{i}.jpg', i % 7) for i in range(60)]),
    'CFP': write_cfp,
    'FaceCrops': write_crops,
}


def named(dataset):
    """Return (path, class name) of every sample."""
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [(s['img_path'], dataset.metainfo['classes'][s['gt_label']]) for s in samples]


@pytest.mark.parametrize('name', WRITERS)
def test_other_classes_are_skipped_and_counted(tmp_path, logged, name):
    cfg = dict(type=name.split()[0], data_root=str(WRITERS[name](tmp_path)))
    if cfg['type'] == 'AffectNet':
        cfg.update(num_classes=8)
    whole = named(DATASETS.build(cfg))
    part = ('003', '001') if name == 'CFP' else ('Neutral', 'Fear')
    logged.clear()
    dataset = DATASETS.build(dict(cfg, classes=part))
    assert dataset.metainfo['classes'] == part
    kept = [(path, label) for path, label in whole if label in part]
    assert 1 < len(kept) < len(whole)
    assert sorted(named(dataset)) == sorted(kept)
    messages = [message for message, level in logged if level == logging.INFO]
    (message,) = [m for m in messages if str(part)[1:-1] in m]
    assert f'{len(whole) - len(kept)} samples are skipped' in message


@pytest.mark.parametrize('name', [name for name in WRITERS if name != 'CFP'])
def test_another_order_renumbers(tmp_path, name):
    cfg = dict(type=name.split()[0], data_root=str(WRITERS[name](tmp_path)))
    other = tuple(sorted(EXPRESSIONS, reverse=True))
    plain, renumbered = (DATASETS.build(dict(cfg, classes=c)) for c in (EXPRESSIONS, other))
    assert named(renumbered) == named(plain)
    assert renumbered.get_gt_labels().tolist() != plain.get_gt_labels().tolist()


def test_no_sample_of_the_classes(tmp_path):
    write_rafdb(tmp_path, [1, 2])
    with pytest.raises(ValueError, match="RAFDB.*split='train'"):
        DATASETS.build(dict(type='RAFDB', data_root=str(tmp_path), classes=('Neutral',)))


@pytest.mark.parametrize('name', WRITERS)
def test_a_misspelt_class_is_an_error_that_lists_the_known(tmp_path, name):
    cfg = dict(type=name.split()[0], data_root=str(WRITERS[name](tmp_path)))
    good, wrong = ('001', '0O1') if name == 'CFP' else ('Neutral', 'Neutrall')
    with pytest.raises(ValueError, match=f"classes name '{wrong}'; known are .*'{good}'"):
        DATASETS.build(dict(cfg, classes=(good, wrong)))
    with pytest.raises(ValueError, match=f"'{good}' more than once"):
        DATASETS.build(dict(cfg, classes=(good, good)))


@pytest.mark.parametrize('name', [name for name in WRITERS if name != 'CFP'])
def test_sets_without_contempt_can_be_numbered_like_those_with_it(tmp_path, name):
    cfg = dict(type=name.split()[0], data_root=str(WRITERS[name](tmp_path)))
    classes = ('Contempt', *EXPRESSIONS)
    dataset = DATASETS.build(dict(cfg, classes=classes))
    assert dataset.metainfo['classes'] == classes and set(dataset.get_gt_labels()) >= set(
        range(1, 8)
    )


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_classes_of_a_file(tmp_path, encoding):
    root = str(WRITERS['RAFDB'](tmp_path))
    (tmp_path / 'classes.txt').write_text('Neutral\n\n Fear\n', encoding=encoding)
    dataset = DATASETS.build(dict(type='RAFDB', data_root=root, classes=f'{tmp_path}/classes.txt'))
    assert dataset.metainfo['classes'] == ('Neutral', 'Fear') and len(dataset) == 4
    with pytest.raises(FileNotFoundError, match=r"classes='Neutral' .*classes=\['Neutral'\]"):
        DATASETS.build(dict(type='RAFDB', data_root=root, classes='Neutral'))


def test_a_part_of_the_classes_within_a_holdout_and_folds(tmp_path):
    """The split of a sample does not depend on the selected classes."""
    root = str(write_rafdb(tmp_path, [*range(1, 8)] * 20))
    cfg = dict(type='RAFDB', data_root=root, val_ratio=0.2)
    for split in ('train', 'val'):
        whole, part = (
            DATASETS.build(dict(cfg, split=split, classes=c))
            for c in (EXPRESSIONS, ['Fear', 'Anger'])
        )
        kept = [(path, label) for path, label in named(whole) if label in ('Fear', 'Anger')]
        assert sorted(named(part)) == sorted(kept)
    folds = [
        DATASETS.build(
            dict(type='KFoldDataset', dataset=dict(cfg, classes=['Fear', 'Anger']), fold=fold)
        )
        for fold in range(5)
    ]
    assert {label for fold in folds for label in fold.get_gt_labels().tolist()} == {0, 1}


def test_datasets_without_classes_know_none(tmp_path):
    for number in range(20):
        write_image(tmp_path / f'{number + 1}_0_0_2017.jpg')
    with pytest.raises(ValueError, match="UTKFace: classes name 'Fear'; known are none"):
        DATASETS.build(dict(type='UTKFace', data_root=str(tmp_path), classes=['Fear']))


def test_classes_that_a_dataset_finds_for_itself(tmp_path):
    class Found(FaceDataset):
        METAINFO = dict()

        def load_annotations(self):
            self._metainfo.setdefault('classes', ('x', 'y', 'z'))
            return [dict(img_path=f'{self.data_root}/a.jpg', gt_label='y')]

    write_image(tmp_path / 'a.jpg')
    dataset = Found(str(tmp_path))
    assert dataset.get_gt_labels().tolist() == [1]
