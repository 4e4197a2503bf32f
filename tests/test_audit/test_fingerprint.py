# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib

import cv2
import numpy as np
import pytest

from mmfer.audit import AuditImage
from mmfer.audit.fingerprint import Fingerprint, take_fingerprint
from mmfer.audit.statistics import imbalance, oddities, shared_people, size_statistics


@pytest.fixture
def face():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def write(path, image):
    assert cv2.imwrite(str(path), image)
    return take_fingerprint(AuditImage(str(path)))


def test_whole_image(tmp_path, face):
    fingerprint = write(tmp_path / 'a.png', face)
    content = (tmp_path / 'a.png').read_bytes()
    assert fingerprint.error is None and fingerprint.notes == ()
    assert fingerprint.size == (60, 40) and fingerprint.num_bytes == len(content)
    assert fingerprint.file_digest == hashlib.sha256(content).digest()
    assert fingerprint.thumbnail.shape == (64, 64) and fingerprint.hashes.shape == (3, 4)


def test_pixel_digests_depend_on_shape_and_content(tmp_path, face):
    digests = [
        write(tmp_path / f'{number}.png', image).pixel_digest
        for number, image in enumerate((face, face.reshape(60, 40, 3), face + 1))
    ]
    assert len(set(digests)) == 3
    assert write(tmp_path / 'same.bmp', face).pixel_digest == digests[0]


@pytest.mark.parametrize(
    ('content', 'reason'), [(b'', 'empty'), (b'GIF is no image', 'no image'), (None, 'truncated')]
)
def test_unreadable_files_have_a_reason(tmp_path, face, content, reason):
    path = tmp_path / 'a.jpg'
    cv2.imwrite(str(path), face)
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    fingerprint = take_fingerprint(AuditImage(str(path)))
    assert reason in fingerprint.error and str(path) not in fingerprint.error
    assert fingerprint.hashes is None


def test_missing_file_is_unreadable(tmp_path):
    assert 'No such file' in take_fingerprint(AuditImage(str(tmp_path / 'none.jpg'))).error


def test_wrong_suffix_and_transparency(tmp_path, face):
    (tmp_path / 'a.jpg').write_bytes(cv2.imencode('.png', face)[1].tobytes())
    assert take_fingerprint(AuditImage(str(tmp_path / 'a.jpg'))).notes == (
        'a PNG file with suffix .jpg',
    )
    opaque = np.dstack([face, np.full(face.shape[:2], 255, np.uint8)])
    assert write(tmp_path / 'opaque.png', opaque).notes == ()
    opaque[3, 5, 3] = 254
    assert 'transparent' in write(tmp_path / 'alpha.png', opaque).notes[0]
    (tmp_path / 'a.jfif').write_bytes(cv2.imencode('.jpg', face)[1].tobytes())
    assert take_fingerprint(AuditImage(str(tmp_path / 'a.jfif'))).notes == ()


def test_blank_images_have_no_hash(tmp_path):
    fingerprint = write(tmp_path / 'a.png', np.full((40, 40, 3), 77, np.uint8))
    assert fingerprint.hashes is None and 'blank' in fingerprint.notes[0]


def of_size(width, height, gray=False):
    return Fingerprint(size=(width, height), num_bytes=width, gray=gray)


def test_odd_sizes_and_colors():
    usual = [of_size(100, 100)] * 18
    odd = [of_size(31, 40), of_size(100, 201), of_size(100, 100, gray=True), Fingerprint('broken')]
    notes = oddities([*usual, *odd])
    assert notes[:18] == [()] * 18 and notes[-1] == ()
    assert notes[18:21] == [
        ('tiny, 31x40',),
        ('long, 100x201',),
        ('gray, while most are in color',),
    ]
    # Half of them gray is not odd.
    assert not any(oddities([of_size(50, 50), of_size(50, 50, gray=True)]))
    assert oddities([of_size(50, 50, gray=True)] * 10 + [of_size(50, 50)])[-1] == (
        'in color, while most are gray',
    )


def test_statistics_of_sizes():
    sizes = [
        of_size(10, 20),
        of_size(30, 40),
        of_size(30, 40),
        of_size(90, 80),
        Fingerprint('broken'),
    ]
    found = size_statistics(sizes)
    assert found['width'] == (10, 30.0, 90) and found['height'] == (20, 40.0, 80)
    assert found['common'] == (30, 40) and found['num_common'] == 2 and found['gray'] == 0
    assert size_statistics([Fingerprint('broken')]) == {}
    assert imbalance(dict(a=2, b=5)) == 2.5 and imbalance(dict(a=2)) is None


def test_people_in_two_splits():
    people = [('a', 'xyz'), ('b', 'yzw'), ('c', '')]
    splits = [(name, [AuditImage(f'{name}{p}', person=p) for p in own]) for name, own in people]
    splits[2] = ('c', [AuditImage('nobody')])
    assert shared_people(splits) == [dict(splits=('a', 'b'), people=['y', 'z'], of=(3, 3))]
