# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""``classes`` as a part of the classes, or in another order, means one thing in all datasets."""

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

from mmfer.datasets import EXPRESSIONS
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
    """(path, name of the class) of every sample."""
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
    (message,) = [m for m in messages if str(part) in m]
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
