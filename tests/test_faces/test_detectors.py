# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""YuNet and MTCNN. Tests are skipped without the model file or facenet-pytorch."""

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from mmfer.analysis.alignment_errors import read_wflw
from mmfer.faces import DETECTORS, MTCNN, YUNET_FILES, Face, YuNet
from mmfer.faces.point_errors import labeled_points

YUNET = 'weights/yunet_n_320_320.onnx'


@pytest.fixture(params=['yunet', 'mtcnn'])
def detector(request, real_data):
    if request.param == 'yunet':
        return YuNet(real_data / YUNET)
    pytest.importorskip('facenet_pytorch', reason='facenet-pytorch is not installed')
    return MTCNN()


@pytest.fixture(scope='module')
def portrait(real_data):
    """An image of one face, and its five points."""
    labels = read_wflw(real_data / 'wflw_layout')
    name = sorted(labels)[0]
    image = cv2.imread(str(real_data / 'wflw_layout/WFLW_images' / name))
    return image, labeled_points(labels[name][0])


def off(face, points):
    """Mean error of the eyes, in percent of their distance."""
    beside = np.linalg.norm(face.points[:2] - points[:2], axis=1).mean()
    return 100 * beside / np.linalg.norm(points[1] - points[0])


class TestBoth:
    def test_finds_the_face_and_its_points_in_order(self, detector, portrait):
        image, points = portrait
        (face,) = detector(image)
        assert 0.6 <= face.score <= 1 and off(face, points) < 10
        distance = np.linalg.norm(points[1] - points[0])
        assert np.linalg.norm(face.points - points, axis=1).max() < 0.3 * distance
        x1, y1, x2, y2 = face.box
        assert (face.points >= (x1, y1)).all() and (face.points <= (x2, y2)).all()

    def test_position_in_a_large_image(self, detector, portrait):
        """An image that is shrunk for detection, wider than high, with an off-center face."""
        image, points = portrait
        large = cv2.copyMakeBorder(cv2.resize(image, (768, 768)), 100, 0, 500, 0, 1)
        (face,) = (found for found in detector(large) if found.score >= 0.6)
        assert off(face, 3 * points + 1 + (500, 100)) < 10

    def test_two_faces(self, detector, portrait):
        image, points = portrait
        pair = np.hstack([image, image[:, ::-1]])
        assert len([face for face in detector(pair) if face.score >= 0.6]) == 2

    def test_nothing_to_find(self, detector):
        for shape in ((100, 100, 3), (1, 1, 3), (3, 90, 3)):
            assert detector(np.full(shape, 127, np.uint8)) == []

    def test_same_result_again(self, detector, portrait):
        first, second = detector(portrait[0]), detector(portrait[0])
        np.testing.assert_array_equal(first[0].points, second[0].points)

    def test_settings_are_plain_and_name_versions(self, detector):
        settings = detector.settings
        assert DETECTORS[settings['type']] is type(detector)
        assert all(isinstance(value, (str, int, float)) for value in settings.values())
        assert {'opencv', 'facenet_pytorch'} & set(settings)


def paste(canvas, portrait, size, x, y):
    """Paste a portrait such that its face, .63 of the portrait, has ``size`` pixels."""
    side = round(size / 0.63)
    how = cv2.INTER_AREA if side < len(portrait) else cv2.INTER_CUBIC
    canvas[y : y + side, x : x + side] = cv2.resize(portrait, (side, side), interpolation=how)
    return x, y, side


def found_in(faces, places):
    """Count the ``faces`` of score .6 and 20 pixels or more in each of the ``places``."""
    faces = [face for face in faces if face.score >= 0.6 and face.size >= 20]
    middles = [(face.box[:2] + face.box[2:]) / 2 for face in faces]
    counts = [
        sum(x < mx < x + side and y < my < y + side for mx, my in middles) for x, y, side in places
    ]
    assert sum(counts) == len(faces)  # and no face elsewhere
    return counts


class TestSizesOfFaces:
    """From small faces in large photographs to those that fill the image."""

    @pytest.fixture(scope='class')
    def portraits(self, real_data):
        return [cv2.imread(str(p)) for p in sorted((real_data / 'utkface_layout').glob('*.jpg'))]

    def test_a_group_in_a_large_image(self, detector, portraits, monkeypatch):
        """Searched in tiles, like 24 megapixels; at 320 pixels the smallest faces are missed."""
        monkeypatch.setattr('mmfer.faces.search_passes.WHOLE', 320)
        monkeypatch.setattr('mmfer.faces.search_passes._TILE', 512)
        canvas = np.full((700, 1300, 3), (90, 140, 120), np.uint8)
        canvas += np.random.default_rng(0).integers(0, 20, (700, 1300, 1), np.uint8)
        places = [paste(canvas, portraits[0], 400, 20, 20)]
        # The tiles end at pixels 433 and 867, in the middle of faces, and at 350.
        for number, (size, x, y) in enumerate(
            [(24, 700, 40), (24, 1250, 330), (24, 414, 660), (32, 842, 325), (60, 820, 60)]
            + [(100, 1000, 60), (24, 848, 600), (32, 700, 330), (60, 1100, 500)]
        ):
            places.append(paste(canvas, portraits[7 * number + 1], size, x, y))
        assert found_in(detector(canvas), places) == [1] * len(places)
        counts = found_in(detector(canvas, max_side=320), places)
        assert {count for (*_, side), count in zip(places, counts, strict=True) if side < 50} == {0}

    @pytest.mark.parametrize('side', [320, 700])
    def test_a_face_that_fills_the_image_is_one(self, detector, portraits, side):
        """At 640 pixels and more, YuNet detects parts of it as faces."""
        close = portraits[30][50:190, 42:182]
        for image in (portraits[30], close):
            image = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
            assert found_in(detector(image), [(0, 0, side)]) == [1]

    def test_eyes_of_a_face_that_fills_the_image(self, real_data, portrait):
        image, points = portrait
        (x1, y1), (x2, y2) = points.min(0), points.max(0)
        half = round(0.9 * max(x2 - x1, y2 - y1))
        x, y = round((x1 + x2) / 2) - half, round((y1 + y2) / 2) - half
        close = image[y : y + 2 * half, x : x + 2 * half]
        for side in (320, 700, 1500):
            large = cv2.resize(close, (side, side), interpolation=cv2.INTER_CUBIC)
            (face,) = (face for face in YuNet(real_data / YUNET)(large) if face.score >= 0.6)
            zoom = side / (2 * half)
            assert off(face, (points - (x, y) + 0.5) * zoom - 0.5) < 10

    def test_both_at_once(self, real_data, portrait):
        image, points = portrait
        photo = np.full((2400, 2400, 3), (90, 140, 120), np.uint8)
        photo[500:2300, :1800] = cv2.resize(image, (1800, 1800), interpolation=cv2.INTER_CUBIC)
        photo[100:190, 2200:2290] = cv2.resize(image, (90, 90), interpolation=cv2.INTER_AREA)
        large, small = sorted(
            (face for face in YuNet(real_data / YUNET)(photo) if face.score >= 0.6),
            key=lambda face: -face.size,
        )
        zoom = 1800 / image.shape[1]
        assert off(large, (points + 0.5) * zoom - 0.5 + (0, 500)) < 10
        assert small.box[0] > 2190 and small.box[3] < 200

    @pytest.mark.parametrize(
        ('shape', 'faces', 'looks'),
        [
            ((1080, 1920), [40], [(360, 640), (135, 240)]),
            ((1080, 1920), [], [(360, 640), (135, 240), (215, 320)]),
            ((1080, 1920), [130], [(360, 640), (135, 240), (215, 320)]),
            ((320, 320), [300], [(320, 320), (320, 320)]),
            ((224, 224), [150], [(224, 224)]),
            ((224, 224), [200], [(224, 224), (300, 300)]),
        ],
    )
    def test_cost(self, real_data, monkeypatch, shape, faces, looks):
        """Pixels that the network processes; with max_side=640, 1.1 to 1.4 times one search."""
        detector, seen = YuNet(real_data / YUNET, max_side=640), []

        def search(image):
            seen.append(image.shape[:2])
            return [Face(np.array([0, 0, side, side]), 0.9, np.zeros((5, 2))) for side in faces]

        monkeypatch.setattr(detector, '_search', search)
        detector(np.zeros((*shape, 3), np.uint8))
        assert seen == looks


@pytest.mark.parametrize(('score', 'expected'), [(0.85, 250), (0.5, 200), (None, 200)])
def test_which_of_two_passes_is_used(real_data, monkeypatch, score, expected):
    """The pass with a border, whose points are better, unless its score is lower."""
    detector = YuNet(real_data / YUNET)

    def search(image):
        if image.shape[0] == 224:
            return [Face(np.array([0, 0, 200, 200]), 0.9, np.zeros((5, 2)))]
        return [] if score is None else [Face(np.array([0, 0, 250, 250]), score, np.zeros((5, 2)))]

    monkeypatch.setattr(detector, '_search', search)
    (face,) = detector(np.zeros((224, 224, 3), np.uint8))
    assert face.size == expected


def test_threads_may_share_yunet(real_data, portrait):
    detector = YuNet(real_data / YUNET)
    images = [cv2.resize(portrait[0], (side, side)) for side in range(150, 310, 20)]
    expected = [detector(image)[0].points for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(detector, 5 * images))
    for faces, points in zip(found, 5 * expected, strict=True):
        np.testing.assert_array_equal(faces[0].points, points)


def test_mtcnn_at_the_edge_of_the_image(real_data):
    """Heads that extend beyond it: the error of facenet-pytorch alone is 40 % there."""
    pytest.importorskip('facenet_pytorch', reason='facenet-pytorch is not installed')
    detector, labels = MTCNN(), read_wflw(real_data / 'wflw_layout')
    for name in ('canada_147m.jpg', 'london_007_03.jpg'):
        image = cv2.imread(str(real_data / 'wflw_layout/WFLW_images' / name))
        assert off(detector(image)[0], labeled_points(labels[name][0])) < 7


@pytest.mark.parametrize(
    ('image', 'face', 'score', 'counts'),
    [(300, 27, 0.87, False), (300, 27, 0.95, True), (300, 40, 0.7, True), (48, 27, 0.7, True)],
)
def test_small_faces_of_mtcnn_need_a_better_score(monkeypatch, image, face, score, counts):
    pytest.importorskip('facenet_pytorch', reason='facenet-pytorch is not installed')
    detector = MTCNN()
    found = np.array([[90, 90, 90 + face, 90 + face]]), [score], np.zeros((1, 5, 2))
    monkeypatch.setattr(detector._network, 'detect', lambda image, landmarks: found)
    assert len(detector(np.zeros((image, image, 3), np.uint8))) == counts


def test_mtcnn_says_how_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'facenet_pytorch', None)
    with pytest.raises(ImportError, match='facenet-pytorch'):
        MTCNN()


class TestModelFile:
    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='none.onnx'):
            YuNet(tmp_path / 'none.onnx')

    def test_an_unknown_file_is_an_error_with_its_sha256(self, tmp_path):
        (tmp_path / 'a.onnx').write_bytes(b'something else')
        sha256 = hashlib.sha256(b'something else').hexdigest()
        with pytest.raises(ValueError, match=sha256) as error:
            YuNet(tmp_path / 'a.onnx')
        assert all(known in str(error.value) for known in YUNET_FILES)

    def test_allowed_but_not_a_network(self, tmp_path):
        (tmp_path / 'a.onnx').write_bytes(b'something else')
        sha256 = hashlib.sha256(b'something else').hexdigest()
        with pytest.raises(ValueError, match='OpenCV'):
            YuNet(tmp_path / 'a.onnx', sha256.upper())

    def test_unexpected_sha256(self, tmp_path):
        (tmp_path / 'a.onnx').write_bytes(b'something else')
        with pytest.raises(ValueError, match='0' * 64):
            YuNet(tmp_path / 'a.onnx', '0' * 64)

    def test_allowed_by_its_sha256(self, real_data, tmp_path):
        """A changed file that still works: a byte of padding in the text of its first field."""
        content = (real_data / YUNET).read_bytes()
        changed = content.replace(b'pytorch', b'PYTORCH', 1)
        assert changed != content
        (tmp_path / 'a.onnx').write_bytes(changed)
        sha256 = hashlib.sha256(changed).hexdigest()
        with pytest.raises(ValueError, match=sha256):
            YuNet(tmp_path / 'a.onnx')
        assert YuNet(tmp_path / 'a.onnx', sha256).settings['sha256'] == sha256

    def test_published_files(self, real_data):
        for path in sorted((real_data / 'weights').glob('yunet*.onnx')):
            assert YUNET_FILES[YuNet(path).sha256] == path.name


def test_wrong_arguments(real_data):
    with pytest.raises(ValueError, match='score_floor'):
        YuNet('a.onnx', score_floor=0)
    with pytest.raises(ValueError, match='min_size'):
        MTCNN(min_size=5)
