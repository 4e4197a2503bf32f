# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from expression_trees import expw_line, write_expw
from face_trees import utkface_names, write_cfp, write_folders, write_utkface
from PIL import Image

from mmfer.datasets import CFP, AffectNetHQ, ExpW, UTKFace
from mmfer.datasets.expression_folders import EXPRESSION_FOLDERS
from mmfer.datasets.found_faces import read_found_faces
from mmfer.datasets.transforms import CropFace
from mmfer.utils.atomic_file import atomic_write_csv

HEADER = ['path', 'decision', 'reason', 'x1', 'y1', 'x2', 'y2']
BOX = [2, 0, 14, 24]
BELOW_FOREHEAD = [2, 4, 14, 24]


def report(path, decisions, box=BOX):
    """Write a report: path -> decision."""
    boxes = {True: box, False: [None] * 4}
    rows = [
        [name, decision, 'only face', *boxes[decision in ('found', 'aligned', 'cropped')]]
        for name, decision in decisions.items()
    ]
    atomic_write_csv(path, [HEADER, *rows])
    return str(path)


def names_of(dataset):
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    return [Path(info['img_path']).relative_to(dataset.data_root).as_posix() for info in infos]


def utkface(root):
    return UTKFace, write_utkface(root, [f'part1/{name}' for name in utkface_names(60)])


def cfp(root):
    return CFP, write_cfp(root)


def affectnet_hq(root):
    folders = [name for name in EXPRESSION_FOLDERS if name in ('happy', 'sad')]
    return AffectNetHQ, write_folders(root, dict.fromkeys(folders, 20))


def all_names(kind, root, **options):
    return {part: names_of(kind(root, part, **options)) for part in ('train', 'val', 'test')}


@pytest.mark.parametrize('write', [utkface, cfp, affectnet_hq])
def test_images_without_a_face_are_skipped_after_the_split(write, tmp_path, logged):
    kind, root = write(tmp_path / 'data')
    options = dict(classes=['Happiness', 'Sadness']) if kind is AffectNetHQ else {}
    before = all_names(kind, root, **options)
    every = sum(before.values(), [])
    missed = {names[0]: 'refused' for names in before.values()}
    missed[before['train'][1]] = 'unreadable'
    decisions = {**dict.fromkeys(every, 'found'), **missed, 'notes/other.jpg': 'refused'}
    path = report(tmp_path / 'alignment.csv', decisions)
    logged.clear()
    after = all_names(kind, root, boxes=path, **options)
    assert after == {
        part: [name for name in names if name not in missed] for part, names in before.items()
    }
    warnings = [message for message, level in logged if level == logging.WARNING]
    assert len(warnings) == 3 and '(1 refused, 1 unreadable)' in warnings[0]
    assert f'train: 2 of {len(before["train"])} images are skipped' in warnings[0]
    samples = kind(root, 'test', boxes=path, **options)
    np.testing.assert_array_equal(samples.get_data_info(0)['face_box'], BELOW_FOREHEAD)


def test_boxes_decide_what_is_cropped(tmp_path):
    kind, root = utkface(tmp_path / 'data')
    names = names_of(kind(root))
    decisions = {**dict.fromkeys(names, 'found'), names[1]: 'whole'}
    path = report(tmp_path / 'alignment.csv', decisions)
    pipeline = [dict(type='LoadFaceImage'), dict(type='CropFace', kind='tight', size=32)]
    dataset = kind(root, boxes=path, pipeline=pipeline)
    for index, known in ((0, dict(face_box=np.float32(BELOW_FOREHEAD))), (1, {})):
        image = cv2.imread(str(root / names[index]))
        expected = CropFace('tight', 32)(dict(img=image, **known))['img']
        np.testing.assert_array_equal(dataset[index]['img'], expected)
    image = cv2.imread(str(root / names[0]))
    whole = CropFace('tight', 32)(dict(img=image))['img']
    assert (dataset[0]['img'] != whole).any(), 'a box and no box differ'


def test_the_path_of_a_report_may_start_with_a_tilde(tmp_path, monkeypatch):
    kind, root = utkface(tmp_path / 'data')
    monkeypatch.setenv('HOME', str(tmp_path))
    report(tmp_path / 'alignment.csv', dict.fromkeys(names_of(kind(root)), 'found'))
    assert 'face_box' in kind(root, boxes='~/alignment.csv').get_data_info(0)


def test_images_that_are_turned_when_they_are_read(tmp_path):
    """The detector ran on the rotated images, too."""
    kind, root = utkface(tmp_path / 'data')
    names = names_of(kind(root))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (40, 20)).save(root / names[0], exif=exif)
    path = report(tmp_path / 'alignment.csv', dict.fromkeys(names, 'found'), [1, 1, 19, 39])
    sample = kind(root, boxes=path, pipeline=[dict(type='LoadFaceImage')])[0]
    assert sample['img'].shape == (40, 20, 3)


def test_reports_of_other_folders(tmp_path):
    kind, root = utkface(tmp_path / 'data')
    names = names_of(kind(root))
    below = {Path(name).name: 'found' for name in names}
    path = report(tmp_path / 'alignment.csv', below)
    with pytest.raises(ValueError, match=rf'(?s)boxes.* of {len(names)} images.*{names[0]}.*Run'):
        kind(root, boxes=path)
    (tmp_path / 'a.csv').write_text('path,decision\n')
    with pytest.raises(ValueError, match='not a report of align_faces.py.*x1'):
        kind(root, boxes=str(tmp_path / 'a.csv'))
    for no_file in (tmp_path / 'b.csv', tmp_path):
        with pytest.raises(FileNotFoundError, match='UTKFace: .*boxes.*alignment.csv'):
            kind(root, boxes=str(no_file))
    (tmp_path / 'cut.csv').write_text(Path(path).read_text()[:-12])
    with pytest.raises(ValueError, match=f'cut.csv.*{Path(names[-1]).name}.*cut off'):
        kind(root, boxes=str(tmp_path / 'cut.csv'))
    path = report(tmp_path / 'c.csv', dict.fromkeys(names, 'found'), [5, 5, 5, 9])
    with pytest.raises(ValueError, match='invalid box, x1=5'):
        kind(root, boxes=path)


def test_datasets_with_boxes_of_their_own(tmp_path):
    root = write_expw(tmp_path / 'expw', [expw_line(f'{i}.jpg', i % 7) for i in range(20)])
    path = report(tmp_path / 'alignment.csv', {})
    with pytest.raises(ValueError, match='ExpW has boxes of its own'):
        ExpW(root, boxes=path)


def test_names_that_a_spreadsheet_would_execute(tmp_path):
    path = report(tmp_path / 'a.csv', {'=1+1.jpg': 'found', 'b.jpg': 'refused'})
    faces = read_found_faces(path)
    assert list(faces) == ['=1+1.jpg', 'b.jpg']
    assert faces['b.jpg'] == ('refused', None)
