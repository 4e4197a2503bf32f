# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from expression_trees import expw_line, write_expw
from face_trees import write_image
from tool_calls import run_tool

from mmfer.datasets import EXPRESSIONS, ExpW
from mmfer.datasets.splits import (
    hash_of_name,
    read_split_file,
    split_by_name,
    split_by_rank,
    write_split_file,
)

TOOL = 'dataset_converters/write_split.py'
PARTS = ('train', 'val', 'test')
#: Meaning of the numbers 0 to 6.
OFFICIAL = ['Anger', 'Disgust', 'Fear', 'Happiness', 'Sadness', 'Surprise', 'Neutral']


def faces(dataset):
    """Return (image, number of the face) of all samples."""
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [(info['image'], info['face']) for info in infos]


def part_of(name):
    return split_by_name(name.removesuffix('.jpg'), val=0.1, test=0.15)


def names_of(part, count):
    """Return ``count`` names of images in a split."""
    candidates = (f'actor_{number}.jpg' for number in range(1000))
    return [name for name in candidates if part_of(name) == part][:count]


def test_numbers_of_the_file_become_the_order_of_the_package(tmp_path):
    lines = [expw_line(name, label) for label, name in enumerate(names_of('train', 7))]
    dataset = ExpW(write_expw(tmp_path, lines), by='image')
    assert dataset.metainfo['classes'] == EXPRESSIONS
    assert [EXPRESSIONS[label] for label in dataset.get_gt_labels()] == OFFICIAL


def test_a_sample_is_a_face(tmp_path):
    (name,) = names_of('train', 1)
    lines = [
        expw_line(name, 3, face=0, box=(5, 2, 22, 18), confidence=63.25),
        expw_line(name, 6, face=1, box=(1, 4, 9, 12), confidence=7),
    ]
    dataset = ExpW(write_expw(tmp_path, lines), by='image')
    first, second = (dataset.get_data_info(index) for index in range(2))
    # top, left, right, bottom of the file become x1, y1, x2, y2.
    assert first['face_box'].tolist() == [2, 5, 22, 18] and first['face_box'].dtype == np.float32
    assert second['face_box'].tolist() == [4, 1, 9, 12]
    assert first['confidence'] == 63.25 and (first['face'], second['face']) == (0, 1)
    assert Path(first['img_path']) == tmp_path / 'data/image/origin' / name


def test_crop_shows_the_face(tmp_path):
    (name,) = names_of('train', 1)
    write_expw(tmp_path, [expw_line(name, 0, box=(60, 30, 150, 180))])  # white on black
    image = np.zeros((200, 200, 3), np.uint8)
    image[60:180, 30:150] = 255
    cv2.imwrite(str(tmp_path / 'data/image/origin' / name), image)
    crop = dict(type='CropFace', kind='tight', source='box', scale=1.0, shift=(0, 0), size=60)
    face = ExpW(tmp_path, by='image', pipeline=[dict(type='LoadFaceImage'), crop])[0]['img']
    assert face[2:-2, 2:-2].min() > 200


def test_unsure_faces_are_skipped_and_counted(tmp_path, logged):
    names = names_of('train', 3)
    sure = zip(names, (59.9, 60, 80), strict=True)
    write_expw(tmp_path, [expw_line(name, 0, confidence=c) for name, c in sure])
    assert len(ExpW(tmp_path, by='image')) == 3 and not logged
    assert faces(ExpW(tmp_path, by='image', min_confidence=60)) == [(name, 0) for name in names[1:]]
    ((message, level),) = logged
    assert message.startswith('ExpW, train: 1 faces are skipped') and level == logging.INFO
    assert 'min_confidence=60' in message


def test_split_has_the_published_shares_and_keeps_images_together(tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        expw_line(f'actor_{number}.jpg', int(rng.integers(7)), face=face)
        for number in range(400)
        for face in range(rng.integers(1, 4))
    ]
    write_expw(tmp_path, lines)
    parts = {part: faces(ExpW(tmp_path, part, by='image')) for part in PARTS}
    assert sorted(sum(parts.values(), [])) == sorted(
        (line.split()[0], int(line.split()[1])) for line in lines
    )
    images = {part: {image for image, _ in found} for part, found in parts.items()}
    assert sum(map(len, images.values())) == 400, 'no image is in two parts'
    # 75, 10 and 15 % on average. Fixed numbers: results stay comparable between versions.
    counts = {part: len(found) for part, found in images.items()}
    assert counts == dict(train=309, val=42, test=49)
    assert len(ExpW(tmp_path, 'trainval', by='image')) == len(parts['train']) + len(parts['val'])


def test_split_is_stored_as_a_file_and_read_back(tmp_path):
    names = [f'actor_{number}.jpg' for number in range(30)]
    lines = [expw_line(name, 0, face=face) for name in names for face in range(2)]
    write_expw(tmp_path, lines)
    target = tmp_path / 'split.csv'
    done = run_tool(TOOL, 'ExpW', tmp_path, target, '--cfg-options', 'by=image')
    assert done.returncode == 0, done.stderr
    stored = read_split_file(target, lambda name: name)
    assert stored == {name.removesuffix('.jpg'): part_of(name) for name in names}
    for part in PARTS:
        whole = ExpW(tmp_path, part, by='image')
        assert faces(ExpW(tmp_path, part, by='image', split_file=target)) == faces(whole)

    write_split_file(target, [(f'origin/{name}', 'test') for name in names])
    assert len(ExpW(tmp_path, 'test', by='image', split_file=target)) == 60


def test_faces_drawn_one_by_one_have_the_published_counts():
    keys = [f'actor_{number // 2}#{number % 2}' for number in range(91_793)]
    parts = Counter(split_by_rank(keys, val=0.10, test=0.15).values())
    assert parts == dict(train=68_845, val=9_179, test=13_769)


def test_split_by_face_is_the_default(tmp_path):
    names = [f'actor_{number}.jpg' for number in range(40)]
    write_expw(tmp_path, [expw_line(name, 0, face=face) for name in names for face in (0, 1)])
    parts = {part: faces(ExpW(tmp_path, part)) for part in PARTS}
    assert {part: len(found) for part, found in parts.items()} == dict(train=60, val=8, test=12)
    assert sorted(sum(parts.values(), [])) == sorted(
        (name, face) for name in names for face in (0, 1)
    )
    # Fixed numbers: the splits follow the hashes in this order, training first.
    keys = sorted((f'actor_{n}#{face}' for n in range(40) for face in (0, 1)), key=hash_of_name)
    for part, (start, end) in dict(train=(0, 60), val=(60, 68), test=(68, 80)).items():
        found = [f'{name.removesuffix(".jpg")}#{face}' for name, face in parts[part]]
        assert sorted(found) == sorted(keys[start:end])
    torn = {image for image, _ in parts['train']} & {image for image, _ in parts['test']}
    assert torn, 'this is what the rule by images avoids'
    # The order of the lines does not matter.
    label_file = tmp_path / 'data/label/label.lst'
    label_file.write_text('\n'.join(reversed(label_file.read_text().splitlines())))
    assert sorted(faces(ExpW(tmp_path, 'val', by='face'))) == sorted(parts['val'])


@pytest.mark.parametrize('by', ['image', 'face'])
def test_part_of_a_face_depends_on_no_other_choice(tmp_path, by):
    names = [f'actor_{number}.jpg' for number in range(150)]
    write_expw(tmp_path, [expw_line(name, i % 7, confidence=i % 3) for i, name in enumerate(names)])
    for part in PARTS:
        everything = ExpW(tmp_path, part, by=by)
        infos = [everything.get_data_info(index) for index in range(len(everything))]
        some = ExpW(tmp_path, part, by=by, min_confidence=1, classes=('Neutral', 'Anger', 'Fear'))
        assert faces(some) == [
            (info['image'], info['face'])
            for info in infos
            if info['confidence'] >= 1 and info['expression'] in ('Neutral', 'Anger', 'Fear')
        ]


def test_split_by_face_is_stored_as_a_file_and_read_back(tmp_path):
    names = [f'actor {number}.jpg' for number in range(6)]
    write_expw(tmp_path, [])
    lines = [expw_line(name, 0, face=face) for name in names for face in range(3)]
    lines[7] = expw_line(names[2], 0, face=1, confidence=1)
    (tmp_path / 'data/label/label.lst').write_text('\n'.join(lines))
    for name in names:
        write_image(tmp_path / 'data/image/origin' / name)
    target = tmp_path / 'split.csv'
    done = run_tool(TOOL, 'ExpW', tmp_path, target)
    assert done.returncode == 0, done.stderr
    assert '13 train, 2 val, 3 test' in done.stdout
    assert 'actor 0#0,' in target.read_text()
    for part in PARTS:
        whole = ExpW(tmp_path, part, by='face')
        assert faces(ExpW(tmp_path, part, by='face', split_file=target)) == faces(whole)
    # A face in the file with a low confidence is not an error.
    sure = [ExpW(tmp_path, part, by='face', split_file=target, min_confidence=2) for part in PARTS]
    assert sum(map(len, sure)) == 17

    write_split_file(target, [('origin/actor 1.jpg#2', 'train'), ('actor 4#0', 'test')])
    assert faces(ExpW(tmp_path, 'train', by='face', split_file=target)) == [('actor 1.jpg', 2)]


@pytest.mark.parametrize(
    ('by', 'name', 'message'),
    [
        ('image', 'actor_1.jpg#0', "line 2: .*by.*'image'"),
        ('face', 'actor_1.jpg', "line 2: .*by.*'face'"),
    ],
)
def test_file_and_unit_of_the_split_belong_together(tmp_path, by, name, message):
    write_expw(tmp_path, [expw_line('actor_1.jpg', 0)])
    write_split_file(tmp_path / 'split.csv', [(name, 'train')])
    with pytest.raises(ValueError, match=message):
        ExpW(tmp_path, by=by, split_file=tmp_path / 'split.csv')


def test_own_crops_of_the_faces(tmp_path):
    (name,) = names_of('val', 1)
    lines = [expw_line(name, 3, face=face) for face in range(2)]
    write_expw(tmp_path, lines)
    for face in range(2):
        write_image(tmp_path / f'data/aligned/{name.removesuffix(".jpg")}_{face}.png')
    dataset = ExpW(tmp_path, 'val', by='image', image_dir='aligned', image_name='{stem}_{face}.png')
    assert faces(dataset) == [(name, 0), (name, 1)], 'in the part of the image'
    paths = [Path(dataset.get_data_info(index)['img_path']).name for index in range(2)]
    assert paths == [f'{name[:-4]}_0.png', f'{name[:-4]}_1.png']
    assert 'face_box' not in dataset.get_data_info(0), 'it is one of the whole image'


def test_root_may_be_the_data_folder_itself(tmp_path):
    write_expw(tmp_path, [expw_line(name, 1) for name in names_of('test', 3)])
    assert faces(ExpW(tmp_path / 'data', 'test', by='image')) == faces(
        ExpW(tmp_path, 'test', by='image')
    )


def test_names_with_spaces_and_other_classes(tmp_path):
    names = [name.replace('_', ' ') for name in names_of('train', 40)]
    names = [name for name in names if part_of(name) == 'train'][:2]
    write_expw(tmp_path, [])
    for name, label in zip(names, (3, 0), strict=True):
        write_image(tmp_path / 'data/image/origin' / name)
        with open(tmp_path / 'data/label/label.lst', 'a') as file:
            file.write(expw_line(name, label) + '\n')
    assert Counter(ExpW(tmp_path, by='image').get_gt_labels().tolist()) == {0: 1, 4: 1}
    assert faces(ExpW(tmp_path, by='image', classes=('Happiness',))) == [(names[0], 0)]


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('a.jpg 0 1 2 3 4 0', '7 .*8: name, face, top, left'),
        (expw_line('a.jpg', 7), "label '7'"),
        (expw_line('a.jpg', 0, box=(3, 18, 2, 20)), 'invalid box, x1=18, y1=3, x2=2'),
        (expw_line('a.jpg', 0, box=(3, 'x', 2, 20)), 'could not convert'),
        (expw_line('a.jpg', 0, box=(3, 2, 'inf', 20)), 'invalid box'),
        (expw_line('a.jpg', 0, confidence=float('nan')), "confidence 'nan'"),
    ],
)
def test_error_names_the_wrong_line(tmp_path, line, message):
    path = write_expw(tmp_path, [expw_line('b.jpg', 0)]) / 'data/label/label.lst'
    path.write_text(path.read_text() + line)
    with pytest.raises(ValueError, match=message) as error:
        ExpW(tmp_path)
    assert f'{path}, line 2: ' in str(error.value)


def test_error_names_missing_files_and_shows_the_layout(tmp_path):
    write_expw(tmp_path, [expw_line('b.jpg', 0), expw_line('c.jpg', 0)])
    (tmp_path / 'data/label/label.lst').unlink()
    with pytest.raises(FileNotFoundError, match='(?s)label.lst.*image/origin/a'):
        ExpW(tmp_path)
    with pytest.raises(FileNotFoundError, match="/nowhere'"):
        ExpW(tmp_path / 'nowhere')


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='all'), "split .*'all'"),
        (dict(by='person'), "by .*'person'"),
        (dict(min_confidence=-1), 'min_confidence .*-1'),
    ],
)
def test_wrong_arguments_are_errors(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        ExpW(tmp_path, **kwargs)
