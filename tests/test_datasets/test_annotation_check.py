# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Boxes and points that do not belong to their image."""

import pickle
from io import BytesIO

import cv2
import numpy as np
import pytest
from expression_trees import expw_line, write_expw
from PIL import Image

from mmfer.datasets import ExpW
from mmfer.datasets.transforms import AnnotationError, LoadFaceImage
from mmfer.datasets.transforms.annotation_check import misplacement, turned_by

SIZE = (320, 240)


def points(x1, y1, x2, y2):
    return dict(gt_landmarks=np.float32([(x1, y1), (x2, y2), ((x1 + x2) / 2, y1)]))


def box(*numbers):
    return dict(face_box=np.float32(numbers))


@pytest.mark.parametrize('make', [box, points])
@pytest.mark.parametrize(
    ('numbers', 'reason'),
    [
        ((0, 0, 319, 239), None),
        ((-60, -40, 100, 120), None),  # a face at the edge
        ((250, 200, 350, 270), None),
        ((900, 500, 1200, 800), '0% is in the image of 320x240'),
        ((300, 220, 400, 320), '4% is in the image'),
        ((-1000, -1000, 1200, 1200), '% is in the image'),
        ((0.2, 0.2, 0.8, 0.9), '2 pixels or less'),
        ((50, 50, np.nan, 90), 'valid box'),
        ((50, 50, np.inf, 90), 'valid box'),
    ],
)
def test_annotations_outside_of_the_image_are_found(make, numbers, reason):
    found = misplacement(make(*numbers), SIZE)
    assert found is None if reason is None else reason in found


def test_an_invalid_box():
    assert 'valid box' in misplacement(box(90, 20, 30, 80), SIZE)
    assert 'valid box' in misplacement(box(30, 20, 30, 80), SIZE)


def test_points_in_one_line_are_a_face_like_others():
    assert misplacement(dict(gt_landmarks=np.float32([(10, 50), (90, 50)])), SIZE) is None


def test_samples_without_either_are_fine():
    assert misplacement(dict(img_path='a.jpg', face_box=None), SIZE) is None


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tiff'])
def test_rotated_images_with_annotations_are_an_error(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', SIZE).save(path, exif=exif)
    assert turned_by(path.read_bytes()) == 6
    sample = dict(img_path=str(path), **box(10, 10, 90, 90))
    with pytest.raises(AnnotationError, match=f'{path.name}.*orientation is 6.*exiftran'):
        LoadFaceImage()(sample)
    LoadFaceImage()(dict(img_path=str(path)))
    LoadFaceImage('color_ignore_orientation')(sample)


@pytest.mark.parametrize('content', [b'', b'Exif\0', b'\xff\xd8Exif\0\0II*\0\xff\xff', b'MM\0*'])
def test_damaged_marks_turn_nothing(content):
    assert turned_by(content) == 1


def test_error_survives_the_way_out_of_a_worker():
    assert str(pickle.loads(pickle.dumps(AnnotationError('a.jpg: a reason')))) == 'a.jpg: a reason'


@pytest.fixture
def root(tmp_path):
    """ExpW whose first two boxes are for images of four times the size."""
    lines = [expw_line(f'{i}.jpg', i % 7) for i in range(30)]
    lines[:2] = [expw_line(f'{i}.jpg', 0, box=(60, 60, 90, 90)) for i in range(2)]
    return write_expw(tmp_path, lines)


def read_training_set(root, **kwargs):
    dataset = ExpW(str(root), pipeline=[LoadFaceImage()], by='face', **kwargs)
    names = [dataset.get_data_info(i)['image'] for i in range(len(dataset))]
    return [dataset[names.index(name)] for name in ('0.jpg', '1.jpg')]


def parts(root):
    """Write a split file with both bad images in the training split."""
    path = root / 'split.csv'
    path.write_text(''.join(f'{i}.jpg#0,{"train" if i < 20 else "test"}\n' for i in range(30)))
    return str(path)


def test_training_continues_without_them(root, logged):
    read = read_training_set(root, split_file=parts(root))
    assert not {sample['image'] for sample in read} & {'0.jpg', '1.jpg'}
    messages = [message for message, _ in logged if 'image of another size' in message]
    assert len(messages) == 2 and '(60, 60, 90, 90)' in messages[0] and '24x24' in messages[0]


def test_too_many_of_them_are_an_error(root, logged):
    with pytest.raises(RuntimeError, match=r'2 images of ExpW .*max_bad_images=1'):
        read_training_set(root, split_file=parts(root), max_bad_images=1)


def test_evaluation_stops_at_the_first(root):
    with pytest.raises(AnnotationError, match=r'0\.jpg'):
        read_training_set(root, split_file=parts(root), test_mode=True)


def test_images_are_as_before_for_annotations_that_fit(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    loaded = LoadFaceImage()(dict(img_path=str(tmp_path / 'a.png'), **box(3, 3, 20, 20)))
    np.testing.assert_array_equal(loaded['img'], image)


@pytest.mark.parametrize('form', ['PNG', 'JPEG', 'TIFF'])
def test_orientation_of_an_image_above_the_limit_of_pillow(monkeypatch, form):
    """MMFER_MAX_PIXELS may allow more than Pillow does."""
    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (40, 30)).save(file, form, exif=exif)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    assert turned_by(file.getvalue()) == 6
