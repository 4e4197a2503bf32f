# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from plain_faces import CLASS, PLAIN, plain_face
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmfer.categories import EXPRESSIONS
from mmfer.synth import Difficulty, Labels, compose_face, draw_face, sample_labels
from mmfer.wflw_points import FLIP_INDICES


class TestLandmarks:
    @pytest.mark.parametrize('index', range(8))
    def test_are_inside_the_image_for_mild_poses(self, index):
        labels = sample_labels(0, 'train', index, 20)
        points = draw_face(labels, 0, 'train', index, difficulty=Difficulty(pose=0.5)).landmarks
        assert points.shape == (98, 2) and points.dtype == np.float32
        assert points.min() >= 0 and points.max() <= 111

    @pytest.mark.parametrize('expression', EXPRESSIONS)
    def test_a_plain_face_is_its_own_mirror_image(self, expression):
        points = plain_face(expression).landmarks
        mirrored = points[FLIP_INDICES].copy()
        mirrored[:, 0] = 111 - mirrored[:, 0]
        np.testing.assert_allclose(points, mirrored, atol=1e-3)

    def test_flipping_twice_changes_nothing(self):
        np.testing.assert_array_equal(FLIP_INDICES[FLIP_INDICES], np.arange(98))

    def test_proportions_are_those_of_a_face(self):
        points = plain_face('Neutral').landmarks
        eyes = np.linalg.norm(points[60] - points[72])
        assert 0.3 * 112 < eyes < 0.45 * 112
        jaw_width = points[32, 0] - points[0, 0]
        assert 1.4 < jaw_width / eyes < 1.8
        # From top to bottom: brows, eyes, bottom of the nose, mouth, chin.
        rows = [points[i, 1] for i in (35, 96, 57, 90, 16)]
        assert rows == sorted(rows)
        # From left to right: ear, outer and inner corner, inner and outer corner, ear.
        columns = [points[i, 0] for i in (0, 60, 64, 68, 72, 32)]
        assert columns == sorted(columns)

    @pytest.mark.parametrize('image_size', [64, 224])
    def test_scale_with_the_image(self, image_size):
        small, large = plain_face('Fear').landmarks, plain_face('Fear', image_size=image_size)
        assert large.image.shape == (image_size, image_size, 3)
        # Pixel centers are integers, hence the half.
        scaled = (small + 0.5) * image_size / 112 - 0.5
        np.testing.assert_allclose(large.landmarks, scaled, atol=1e-3)

    @pytest.mark.parametrize('identity', range(6))
    def test_pixels_agree_with_pupils(self, identity):
        drawn = plain_face('Surprise', identity=identity, image_size=224)
        gray = drawn.image.mean(2)
        for pupil, below in ((96, 66), (97, 74)):
            x, y = np.rint(drawn.landmarks[pupil]).astype(int)
            cheek_y = int(drawn.landmarks[below, 1]) + 22
            pupil_tone = np.median(gray[y - 1 : y + 2, x - 1 : x + 2])
            assert pupil_tone < 0.7 * np.median(gray[cheek_y - 2 : cheek_y + 3, x - 4 : x + 5])

    def test_follow_the_pose(self):
        labels = Labels(CLASS['Neutral'], 30, 0)
        turned = draw_face(labels, 0, 'train', 5, 224, replace(PLAIN, pose=1.5))
        straight = draw_face(labels, 0, 'train', 5, 224, PLAIN)
        assert np.abs(turned.landmarks - straight.landmarks).max() > 5
        # The white of the turned face's eyes is where its landmarks say.
        middle = turned.landmarks[[60, 64]].mean(0)
        x, y = np.rint(middle).astype(int)
        patch = turned.image[y - 6 : y + 7, x - 14 : x + 15].reshape(-1, 3)
        assert patch.min() < 60 and patch.min(1).max() > 200


class TestExpressions:
    @pytest.fixture(params=range(4))
    def faces(self, request):
        return {
            name: plain_face(name, identity=request.param, index=index).landmarks
            for index, name in enumerate(EXPRESSIONS)
        }

    def test_happiness_lifts_and_widens_the_corners_of_the_mouth(self, faces):
        happy, neutral = faces['Happiness'], faces['Neutral']
        assert (happy[[76, 82], 1] < neutral[[76, 82], 1] - 2).all()
        assert happy[82, 0] - happy[76, 0] > neutral[82, 0] - neutral[76, 0] + 3

    def test_sadness_lowers_them_and_raises_the_inner_brows(self, faces):
        sad, neutral = faces['Sadness'], faces['Neutral']
        assert (sad[[76, 82], 1] > neutral[[76, 82], 1] + 1.5).all()
        assert (sad[[37, 42], 1] < neutral[[37, 42], 1] - 1).all()

    def test_anger_lowers_the_inner_brows(self, faces):
        assert (faces['Anger'][[37, 42], 1] > faces['Neutral'][[37, 42], 1] + 2).all()

    def test_surprise_opens_the_mouth_and_raises_the_brows(self, faces):
        surprise, neutral = faces['Surprise'], faces['Neutral']
        gap = surprise[94, 1] - surprise[90, 1]
        assert gap > 5 > 2 > neutral[94, 1] - neutral[90, 1]
        assert (surprise[33:51, 1] < neutral[33:51, 1]).all()

    def test_fear_widens_the_eyes(self, faces):
        def opening(points):
            return points[66, 1] - points[62, 1]

        assert opening(faces['Fear']) > 1.3 * opening(faces['Neutral'])

    def test_disgust_lifts_the_nose_and_narrows_the_eyes(self, faces):
        disgust, neutral = faces['Disgust'], faces['Neutral']
        assert (disgust[[55, 59], 1] < neutral[[55, 59], 1] - 1).all()
        assert disgust[66, 1] - disgust[62, 1] < 0.8 * (neutral[66, 1] - neutral[62, 1])


def test_shape_tells_the_expression_mostly():
    """A linear probe on normalized landmarks: far above chance, but not perfect."""

    def features(split, count):
        labels = [sample_labels(0, split, index, 200) for index in range(count)]
        composed = [compose_face(known, 0, split, index) for index, known in enumerate(labels)]
        points = np.stack([face.landmarks(camera, 112) for camera, face in composed])
        eyes = points[:, [60, 72]]
        points = points - eyes.mean(1, keepdims=True)
        points /= np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)[:, None, None]
        return points.reshape(count, -1), [known.expression for known in labels]

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    probe.fit(*features('train', 280))
    accuracy = probe.score(*features('test', 140))
    assert 0.55 < accuracy < 0.97, accuracy
