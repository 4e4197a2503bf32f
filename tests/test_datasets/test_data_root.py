# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The working directory works as ``data_root``, like any other folder."""

from collections import Counter

import pytest
from expression_trees import expression_roots
from face_trees import (
    utkface_names,
    wflw_line,
    write_cfp,
    write_folders,
    write_utkface,
    write_wflw,
)
from rafdb_tree import write_rafdb

from mmfer.preparation.convert_crops import plan_crops
from mmfer.registry import DATASETS


def write_set(name, root):
    if name == 'RAFDB':
        return write_rafdb(root)
    if name == 'UTKFace':
        return write_utkface(root, utkface_names(40))
    if name == 'WFLW':
        return write_wflw(root, [wflw_line('a.jpg'), wflw_line('0/b.jpg')])
    if name == 'CFP':
        return write_cfp(root)
    if name in ('AffectNetHQ', 'CustomDataset', 'FER2013'):
        folders = ('anger', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
        part = 'train/' if name == 'FER2013' else ''
        return write_folders(root, {f'{part}{folder}': 8 for folder in folders})
    return expression_roots(root)[name]


@pytest.mark.parametrize(
    'name',
    [
        *('RAFDB', 'UTKFace', 'WFLW', 'CFP', 'AffectNetHQ', 'CustomDataset'),
        *('FER2013', 'FERPlus', 'AffectNet', 'SFEW', 'ExpW', 'AffWild2'),
    ],
)
def test_all_datasets(tmp_path, monkeypatch, name):
    root = write_set(name, tmp_path)
    whole = DATASETS.build(dict(type=name, data_root=str(root)))
    monkeypatch.chdir(root)
    for here in ('.', './', '../' + root.name):
        dataset = DATASETS.build(dict(type=name, data_root=here))
        assert Counter(dataset.get_data_info(i).get('gt_label') for i in range(len(dataset))) == (
            Counter(whole.get_data_info(i).get('gt_label') for i in range(len(whole)))
        )
        if name in ('UTKFace', 'ExpW', 'WFLW'):
            jobs, others = (
                plan_crops(dict(train=d), r, 'jpg') for d, r in ((dataset, here), (whole, root))
            )
            assert [job.target for job in jobs] == [job.target for job in others]
