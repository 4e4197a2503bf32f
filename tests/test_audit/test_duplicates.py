# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from mmfer.audit import AuditImage, Split, audit
from mmfer.audit.duplicates import Link, groups_of
from mmfer.audit.images import split_of_folder
from mmfer.datasets import SynthFace

COUNT = 16


@pytest.fixture(scope='module')
def faces():
    drawn = SynthFace('train', num_samples=COUNT, image_size=112, num_identities=4)
    return [drawn[i]['img'] for i in range(COUNT)]


def resized(face):
    return cv2.resize(face, (80, 80), interpolation=cv2.INTER_AREA)


def darker(face):
    return (face * 0.85).astype(np.uint8)


def cropped(face):
    return face[4:-3, 3:-4]


def mirrored(face):
    return face[:, ::-1]


def all_at_once(face):
    return cv2.resize(darker(face)[3:-3, 3:-3], (96, 96), interpolation=cv2.INTER_AREA)


def audit_of_copies(tmp_path, faces, change, suffix='.png', options=()):
    for folder in ('train', 'test'):
        (tmp_path / folder).mkdir()
    for number, face in enumerate(faces):
        cv2.imwrite(str(tmp_path / f'train/{number:02d}.png'), face)
    for number in range(0, len(faces), 2):
        copy = np.ascontiguousarray(change(faces[number]))
        cv2.imwrite(str(tmp_path / f'test/{number:02d}{suffix}'), copy, list(options))
    return audit([split_of_folder(name, tmp_path / name) for name in ('train', 'test')])


@pytest.mark.parametrize(
    ('change', 'suffix', 'options', 'kind'),
    [
        (np.copy, '.png', (), 'file'),
        (np.copy, '.bmp', (), 'pixels'),
        (np.copy, '.jpg', (cv2.IMWRITE_JPEG_QUALITY, 40), 'near'),
        (resized, '.png', (), 'near'),
        (darker, '.png', (), 'near'),
        (cropped, '.png', (), 'near'),
        (mirrored, '.jpg', (), 'mirrored'),
        (all_at_once, '.jpg', (cv2.IMWRITE_JPEG_QUALITY, 50), 'near'),
    ],
)
def test_copies_are_found_and_nothing_else(tmp_path, faces, change, suffix, options, kind):
    result = audit_of_copies(tmp_path, faces, change, suffix, options)
    expected = [(2 * i, COUNT + i) for i in range(COUNT // 2)]
    found = [tuple(entry.number for entry in group.images) for group in result.groups]
    assert found == expected
    assert {link.kind for group in result.groups for link in group.links} == {kind}
    assert len(result.leaks) == COUNT // 2
    assert result.overlap == [[0, COUNT // 2], [COUNT // 2, 0]]


def test_images_of_the_same_people_are_no_copies():
    # Two splits of drawn faces share all people but no image.
    splits = []
    for name in ('train', 'test'):
        drawn = SynthFace(name, num_samples=150, image_size=64, num_identities=3, crop='tight')
        images = [
            AuditImage(
                f'{name}/{i}', person=str(drawn.get_data_info(i)['identity']), drawn_by=(drawn, i)
            )
            for i in range(150)
        ]
        splits.append(Split(name, frozenset([name]), images))
    result = audit(splits)
    assert result.groups == []
    assert [(len(entry['people']), entry['of']) for entry in result.people] == [(3, (3, 3))]


def test_result_does_not_depend_on_workers(tmp_path, faces):
    first = audit_of_copies(tmp_path, faces[:6], resized)
    splits = [split_of_folder(name, tmp_path / name) for name in ('train', 'test')]
    assert audit(splits, workers=2) == first


def test_groups_are_connected_components():
    links = [Link(4, 5, 'near'), Link(0, 1, 'file'), Link(1, 7, 'near'), Link(5, 6, 'pixels')]
    groups = groups_of(links)
    assert [{n for link in group for n in (link.first, link.second)} for group in groups] == [
        {0, 1, 7},
        {4, 5, 6},
    ]


@pytest.mark.parametrize('layout', ['wflw_layout', 'utkface_layout', 'smile_folders'])
def test_no_false_alarms_on_portraits(real_data, layout):
    # The same 106 people in front of the same wall, neutral and smiling.
    split = split_of_folder(layout, real_data / layout)
    assert len(split.images) > 100 and audit([split]).groups == []
