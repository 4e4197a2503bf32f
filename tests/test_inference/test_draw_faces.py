# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from mmfer.inference import FaceResult, ImageResult, KeptPatches
from mmfer.inference.draw_faces import describe, draw_faces

FACE = FaceResult(
    box=(40.0, 50.0, 100.0, 120.0),
    crop_map=((0.5, 0.0, -20.0), (0.0, 0.5, -25.0)),  # x 40 to 103, y 50 to 113
    crop_size=(32, 32),
    detection_score=0.9,
    label=0,
    class_name='Anger',
    scores={'Anger': 0.934, 'Fear': 0.066},
)
BACKGROUNDS = (0, 90, 128, 200, 255)


def gray_image(value=128, height=160, width=200):
    return np.full((height, width, 3), value, np.uint8)


def result(*faces):
    return ImageResult('a', 'faces' if faces else 'no face', faces=faces, width=200, height=160)


def luminance(color):
    """Relative luminance of BGR by WCAG 2."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color / 255]
    return float(np.dot(linear, (0.0722, 0.7152, 0.2126)))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_descriptions():
    assert describe(FACE) == 'Anger 93 %'
    plain = replace(FACE, class_name=None)
    assert describe(replace(plain, age=41.4)) == '41 years'
    assert describe(replace(plain, points=((1.0, 2.0),))) == ''
    place = dict(valence=0.518, arousal=-0.1)
    assert describe(replace(plain, **place)) == 'valence 0.52, arousal -0.10'
    assert describe(replace(FACE, **place)) == 'Anger 93 %'


@pytest.mark.parametrize('value', BACKGROUNDS)
def test_boxes_are_visible_on_every_background(value):
    """The border of the box has a contrast of at least 3, as WCAG requires for graphics."""
    drawn = draw_faces(gray_image(value), result(FACE))
    across = drawn[85, 30:50].reshape(-1, 3)
    assert max(contrast(color, gray_image(value)[0, 0]) for color in across) >= 3
    assert max(contrast(a, b) for a in across for b in across) >= 3


@pytest.mark.parametrize('value', BACKGROUNDS)
def test_labels_have_their_own_background(value):
    drawn = draw_faces(gray_image(value), result(FACE))
    plate = drawn[40:48, 44:90].reshape(-1, 3)
    assert contrast(plate[plate.sum(axis=1).argmax()], plate[plate.sum(axis=1).argmin()]) > 12


def test_the_input_image_is_not_changed():
    image = gray_image()
    drawn = draw_faces(image, result(FACE))
    assert (image == 128).all() and drawn.shape == image.shape and (drawn != 128).any()


@pytest.mark.parametrize(
    'box',
    [(-30, -40, 20, 30), (150, 120, 260, 220), (-50, -50, 300, 300), (10, 150, 20, 158)],
)
def test_labels_stay_inside_the_image(box):
    without = draw_faces(gray_image(), result(replace(FACE, box=box, class_name=None)))
    changed = (draw_faces(gray_image(), result(replace(FACE, box=box))) != without).any(axis=2)
    whole = (
        draw_faces(gray_image(), result(FACE))
        != draw_faces(gray_image(), result(replace(FACE, class_name=None)))
    ).any(axis=2)
    # As large as with enough space, except for the lines of the box below it.
    assert np.ptp(np.where(changed)[0]) >= np.ptp(np.where(whole)[0]) - 4
    assert np.ptp(np.where(changed)[1]) >= np.ptp(np.where(whole)[1]) - 4


def test_an_image_smaller_than_its_label():
    assert draw_faces(gray_image(height=9, width=12), result(FACE)).shape == (9, 12, 3)


def test_classes_have_different_colors():
    drawn = [draw_faces(gray_image(), result(replace(FACE, label=i)))[110, 30:50] for i in range(7)]
    assert len({image.tobytes() for image in drawn}) == 7


def test_positions_of_landmarks():
    points = ((150.0, 30.0), (170.4, 140.2))
    face = replace(FACE, class_name=None, scores=None, label=None, points=points)
    changed = (draw_faces(gray_image(), result(face)) != 128).any(axis=2)
    for x, y in points:
        assert changed[round(y), round(x)] and not changed[round(y) + 6, round(x) + 6]


def test_dropped_patches_are_faded():
    """Four patches of 32x32 pixels of the image; the first and the last are kept."""
    patches = KeptPatches((2, 2), {'app': (0, 1, 3), 'layers.1': (0, 3)})
    face = replace(FACE, patches=patches, class_name=None)
    drawn = draw_faces(gray_image(), result(face))
    last = [drawn[y, x, 0] for y, x in ((60, 60), (60, 80), (100, 60), (100, 80))]
    assert last == [128, 223, 223, 128]
    drawn = draw_faces(gray_image(), result(face), stage='app')
    assert [drawn[60, 80, 0], drawn[100, 60, 0]] == [128, 223]
    assert drawn[60, 30, 0] == 128  # outside of the network's input


def test_images_without_a_face_have_a_label():
    drawn = draw_faces(gray_image(), result())
    assert (drawn[:10, :30] != 128).any() and (drawn[30:] == 128).all()


def test_aligned_faces_have_no_box():
    face = replace(FACE, detection_score=None, box=(-0.5, -0.5, 199.5, 159.5))
    drawn = draw_faces(gray_image(), result(face))
    assert (drawn[40:, :] == 128).all() and (drawn[:15, :40] != 128).any()


def test_labels_of_a_crowd_are_no_wider_than_faces_need():
    image, gray = gray_image(height=1200, width=1200), 128
    small = replace(FACE, box=(500.0, 600.0, 560.0, 670.0))
    above = draw_faces(image, result(small))[:597]
    rows, columns = np.nonzero((above != gray).any(axis=2))
    assert np.ptp(rows) < 20 and np.ptp(columns) < 2 * 60
    large = replace(FACE, box=(300.0, 300.0, 900.0, 1000.0))
    rows, _ = np.nonzero((draw_faces(image, result(large))[:290] != gray).any(axis=2))
    assert np.ptp(rows) > 35
