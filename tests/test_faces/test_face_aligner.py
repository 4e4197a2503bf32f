# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from mmfer.datasets.transforms import CropFace
from mmfer.datasets.transforms.face_geometry import invert, move_points, rotation_map, warp
from mmfer.faces import (
    Face,
    FaceAligner,
    FaceChoice,
    FaceDetector,
    WholeImage,
    face_template,
    similarity_map,
)


class Known(FaceDetector):
    """Returns given faces."""

    settings = {}

    def __init__(self, *faces, max_side=None):
        super().__init__(max_side)
        self.faces = list(faces)
        self.seen = None

    def _find(self, image):
        self.seen = image.shape
        return self.faces


def image_of(points, size=300):
    """Soft spots of different brightness at the points."""
    across, down = np.arange(size), np.arange(size)[:, None]
    spots = [
        (120 + 25 * number) * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 18)
        for number, (x, y) in enumerate(points)
    ]
    return cv2.cvtColor(np.clip(np.sum(spots, axis=0), 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def brightest(image, x, y, radius=6):
    """Center of mass around a point."""
    left, top = round(x) - radius, round(y) - radius
    part = image[top : top + 2 * radius + 1, left : left + 2 * radius + 1, 0].astype(float)
    down, across = np.indices(part.shape)
    return left + (part * across).sum() / part.sum(), top + (part * down).sum() / part.sum()


def turned_face(angle=23.0, zoom=1.6):
    points = move_points(face_template(112) * zoom, rotation_map(angle, 180, 180)) + (55, 50)
    return Face(np.array([60.0, 40, 260, 280]), 0.9, points)


@pytest.mark.parametrize('size', [112, 224])
def test_points_match_the_template(size):
    face = turned_face()
    alignment = FaceAligner(Known(face), size=size)(image_of(face.points))
    assert alignment.decision == 'aligned' and alignment.image.shape == (size, size, 3)
    for x, y in face_template(size):
        np.testing.assert_allclose(brightest(alignment.image, x, y), (x, y), atol=0.1 * size / 56)
    assert alignment.residual < 1e-3
    np.testing.assert_allclose(alignment.face.points, face.points, atol=1e-3)


def test_residual_is_in_pixels_of_112():
    face = turned_face()
    beside = face._replace(points=face.points + np.random.normal(0, 4, (5, 2)))
    image = image_of(face.points)
    residuals = [FaceAligner(Known(beside), size=size)(image).residual for size in (112, 224)]
    assert residuals[0] == pytest.approx(residuals[1]) and 0.5 < residuals[0] < 5


def test_no_face():
    image = image_of(turned_face().points)
    refused = FaceAligner(Known())(image)
    assert refused.decision == 'refused' and refused.reason == 'no face' and refused.image is None
    whole = FaceAligner(Known(), no_face='whole')(image)
    assert whole.decision == 'whole' and whole.reason == 'no face' and whole.face is None
    expected = cv2.resize(image, (112, 112), interpolation=cv2.INTER_AREA)
    assert np.abs(whole.image.astype(int) - expected).max() <= 6


@pytest.mark.parametrize('kind', ['tight', 'loose'])
def test_crops_are_those_of_crop_face(kind):
    face = turned_face()
    image = image_of(face.points)
    x1, y1, x2, y2 = face.box
    below_forehead = np.float32([x1, y1 + (y2 - y1) / 6, x2, y2])
    cropped = FaceAligner(Known(face), size=64, kind=kind)(image)
    assert cropped.decision == 'cropped' and cropped.face.score == face.score
    expected = CropFace(kind, 64, source='box')(dict(img=image, face_box=below_forehead))['img']
    np.testing.assert_array_equal(cropped.image, expected)
    aligned = FaceAligner(Known(face), size=64)(image)
    assert cropped.residual == aligned.residual and (cropped.image != aligned.image).any()

    whole = FaceAligner(Known(), size=64, kind=kind, no_face='whole')(image)
    assert whole.decision == 'whole'
    expected = CropFace(kind, 64, source='image')(dict(img=image))['img']
    np.testing.assert_array_equal(whole.image, expected)


def test_detection_only():
    face = turned_face()
    image = image_of(face.points)
    found = FaceAligner(Known(face), kind='none')(image)
    assert found.decision == 'found' and found.image is None and found.face is not None
    whole = FaceAligner(Known(), kind='none', no_face='whole')(image)
    assert whole.decision == 'whole' and whole.image is None
    assert FaceAligner(Known(), kind='none')(image).decision == 'refused'


def test_invalid_points_are_refused():
    nothing = Face(np.array([0.0, 0, 99, 99]), 0.9, np.full((5, 2), 50.0))
    alignment = FaceAligner(Known(nothing))(np.zeros((100, 100, 3), np.uint8))
    assert alignment.decision == 'refused' and 'not those of a face' in alignment.reason


def test_rules_are_applied():
    large, small = turned_face(), turned_face()._replace(box=np.array([0.0, 0, 40, 40]))
    image = image_of(large.points)
    assert FaceAligner(Known(large, small))(image).num_faces == 2
    alignment = FaceAligner(Known(large, small), FaceChoice(several='refuse'))(image)
    assert alignment.decision == 'refused' and alignment.reason == '2 faces'


def test_whole_image_of_the_right_size_is_copied():
    image = np.random.randint(0, 256, (112, 112, 3), np.uint8)
    alignment = FaceAligner(WholeImage())(image)
    assert alignment.decision == 'aligned'
    np.testing.assert_array_equal(alignment.image, image)


def test_whole_image_is_not_stretched():
    image = np.full((100, 50, 3), 200, np.uint8)
    aligned = FaceAligner(WholeImage())(image).image
    assert (aligned[:, 29:83] == 200).all()
    assert not aligned[:, :27].any() and not aligned[:, 85:].any()


def test_shrinking_for_the_search_is_undone():
    """A spot detected in the shrunk image is returned in pixels of the large one."""
    points = turned_face().points * 3
    image = image_of(points, 900)

    class Brightest(Known):
        def _find(self, image):
            self.seen = image.shape
            small = points * 300 / 900
            found = np.array([brightest(image, x, y) for x, y in small])
            return [Face(np.array([-0.5, -0.5, 299.5, 199.5]), 0.9, found)]

    detector = Brightest(max_side=300)
    (face,) = detector(image)
    assert detector.seen == (300, 300, 3)
    np.testing.assert_allclose(face.points, points, atol=0.3)
    np.testing.assert_allclose(face.box, (-0.5, -0.5, 899.5, 599.5), atol=1e-3)
    fitting = Known(max_side=300)
    fitting(np.zeros((300, 200, 3), np.uint8))
    assert fitting.seen == (300, 200, 3), 'what is small enough is not resized'


def test_best_face_first_and_rounded():
    low, high = turned_face()._replace(score=0.7), turned_face()._replace(score=0.87654)
    first, second = Known(low, high)(np.zeros((50, 50, 3), np.uint8))
    assert (first.score, second.score) == (0.877, 0.7)
    np.testing.assert_array_equal(first.points, first.points.round(3))


@pytest.mark.parametrize(
    'image, error, message',
    [
        ('a.jpg', TypeError, 'str'),
        (np.zeros((9, 9, 3)), TypeError, 'float64'),
        (np.zeros((9, 9), np.uint8), ValueError, r'\(9, 9\)'),
        (np.zeros((0, 9, 3), np.uint8), ValueError, r'\(0, 9, 3\)'),
    ],
)
def test_invalid_images(image, error, message):
    with pytest.raises(error, match=message):
        Known()(image)


def test_wrong_arguments():
    with pytest.raises(ValueError, match='max_side'):
        Known(max_side=3)
    with pytest.raises(ValueError, match='no_face'):
        FaceAligner(Known(), no_face='skip')
    with pytest.raises(ValueError, match=r"kind must be one of .*'narrow'"):
        FaceAligner(Known(), kind='narrow')
    with pytest.raises(ValueError, match='size'):
        FaceAligner(Known(), size=0)
    with pytest.raises(ValueError, match='border'):
        FaceAligner(Known(), border='mirror')


def test_mapping_back_gives_the_image():
    """The result, mapped back, equals the original image."""
    face = turned_face(zoom=1.0)
    image = cv2.GaussianBlur(np.random.randint(0, 256, (300, 300, 3), np.uint8), (0, 0), 4)
    aligned = FaceAligner(Known(face))(image).image
    matrix = similarity_map(face.points, face_template(112))
    back = warp(aligned, invert(matrix), (300, 300))
    inside = warp(np.full((112, 112), 255, np.uint8), invert(matrix), (300, 300)) == 255
    inside = cv2.erode(inside.astype(np.uint8), np.ones((9, 9))) > 0
    assert inside.sum() > 5000
    assert np.abs(back.astype(int) - image)[inside].max() <= 4
