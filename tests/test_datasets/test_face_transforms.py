# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Crop, resize, flip and rotate image, landmarks and face box together."""

import random

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose

from mmfer.datasets import WFLW, SynthFace
from mmfer.datasets.transforms import (
    FACE_CROPS,
    CropFace,
    RandomCropFace,
    RandomFlipFace,
    RandomRotateFace,
    ResizeFace,
    face_square,
)
from mmfer.datasets.transforms.face_geometry import invert, move_points
from mmfer.registry import TRANSFORMS
from mmfer.wflw_points import FLIP_INDICES, LEFT_POINTS

STEPS = {
    'tight': dict(type='CropFace', kind='tight', size=96),
    'loose': dict(type='CropFace', kind='loose', size=96, border='replicate'),
    'unscaled': dict(type='CropFace', kind='tight'),
    'random crop': dict(type='RandomCropFace', kind='tight', size=96, max_angle=20),
    'resize': dict(type='ResizeFace', size=80),
    'flip': dict(type='RandomFlipFace', prob=1),
    'rotate': dict(type='RandomRotateFace', max_angle=30),
}
ALL = [STEPS[name] for name in ('random crop', 'flip', 'rotate', 'resize')]
BASE = SynthFace(num_samples=3, image_size=128)


def sample(index=0):
    return BASE[index]


def blank_with_spots(points, size=128):
    """Draw a black image with a soft white spot at each point."""
    across, down = np.arange(size), np.arange(size)[:, None]
    image = np.zeros((size, size))
    for x, y in points:
        image = np.maximum(image, np.exp(-((across - x) ** 2 + (down - y) ** 2) / 8))
    return cv2.cvtColor(np.rint(250 * image).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def center_of_mass(image, near, radius=7):
    x, y = np.rint(near).astype(int)
    part = image[y - radius : y + radius + 1, x - radius : x + radius + 1, 0].astype(float)
    down, across = np.indices(part.shape) - radius
    return np.array([x + (part * across).sum() / part.sum(), y + (part * down).sum() / part.sum()])


@pytest.fixture(params=[*STEPS, 'all'])
def pipeline(request):
    steps = ALL if request.param == 'all' else [STEPS[request.param]]
    return Compose([dict(step) for step in steps])


class TestEveryStep:
    def test_pixels_at_a_landmark_move_with_it(self, pipeline):
        results = sample()
        shown = [60, 72, 76, 82]  # far enough from each other
        results['img'] = blank_with_spots(results['gt_landmarks'][shown])
        results = pipeline(results)
        # The same spots, in their new order.
        names = FLIP_INDICES[shown] if results.get('flip') else shown
        for point in results['gt_landmarks'][names]:
            np.testing.assert_allclose(center_of_mass(results['img'], point), point, atol=0.08)

    def test_warp_matrix_leads_back(self, pipeline):
        before = sample()
        after = pipeline(sample())
        points = after['gt_landmarks'][FLIP_INDICES] if after.get('flip') else after['gt_landmarks']
        back = move_points(points, invert(after['warp_matrix']))
        np.testing.assert_allclose(back, before['gt_landmarks'], atol=1e-3)

    def test_box_goes_with_the_landmarks(self, pipeline):
        after = pipeline(sample())
        low, high = after['gt_landmarks'].min(0), after['gt_landmarks'].max(0)
        box = after['face_box']
        assert (box[:2] <= low + 1e-3).all() and (box[2:] >= high - 1e-3).all()
        if 'rotate_angle' not in after:
            np.testing.assert_allclose(box, [*low, *high], atol=1e-3)

    def test_shape_and_types(self, pipeline):
        after = pipeline(sample())
        assert after['img_shape'] == after['img'].shape[:2]
        assert after['ori_shape'] == (128, 128)
        assert after['img'].dtype == np.uint8
        assert after['gt_landmarks'].dtype == np.float32 and after['gt_landmarks'].shape == (98, 2)
        assert after['face_box'].dtype == np.float32 and after['face_box'].shape == (4,)

    def test_an_image_without_annotations_is_processed_equally(self, pipeline):
        """Without landmarks the box defines the same square, because it is their bounding box."""
        random.seed(3)
        whole = pipeline(sample())
        random.seed(3)
        plain = sample()
        del plain['gt_landmarks']
        plain = pipeline(plain)
        np.testing.assert_array_equal(plain['img'], whole['img'])
        assert 'gt_landmarks' not in plain

        gray = pipeline(dict(img=np.full((50, 40), 7, np.uint8)))
        assert set(gray) <= {'img', 'img_shape', 'warp_matrix', 'flip', 'flip_direction',
                             'rotate_angle', 'scale', 'scale_factor'}  # fmt: skip

    def test_other_labels_stay_and_nothing_is_written_into(self, pipeline):
        before = sample()
        given = {**before, 'attributes': np.arange(6, dtype=np.uint8)}
        copies = {key: np.copy(given[key]) for key in ('img', 'gt_landmarks', 'face_box')}
        after = pipeline(dict(given))
        for key, copy in copies.items():
            np.testing.assert_array_equal(given[key], copy)
        for key in ('gt_label', 'gt_age', 'expression', 'identity', 'img_path', 'attributes'):
            assert after[key] is given[key] or after[key] == given[key]

    def test_seed_decides(self, pipeline):
        random.seed(5)
        one = pipeline(sample())
        random.seed(5)
        two = pipeline(sample())
        np.testing.assert_array_equal(one['img'], two['img'])
        np.testing.assert_array_equal(one['gt_landmarks'], two['gt_landmarks'])

    def test_repr_shows_the_settings(self, pipeline):
        for step in pipeline.transforms:
            assert repr(step).startswith(f'{type(step).__name__}(')


def test_random_transforms_are_known_to_mmcv():
    """The class alone tells whether a transform is random; the image cache relies on it."""
    for step in STEPS.values():
        transform = TRANSFORMS.build(dict(step))
        is_random = bool(getattr(transform, '_methods_with_randomness', []))
        assert is_random == step['type'].startswith('Random')


@pytest.mark.parametrize('name', [name for name in STEPS if 'Random' in STEPS[name]['type']])
def test_random_ones_differ_from_call_to_call(name):
    transform = TRANSFORMS.build({**STEPS[name], **({'prob': 0.5} if name == 'flip' else {})})
    assert len({transform(sample())['img'].tobytes() for _ in range(8)}) > 1


class TestCropFace:
    def test_tight_is_around_the_landmarks_and_loose_around_that(self):
        points = sample()['gt_landmarks']
        low, high = points.min(0), points.max(0)
        longer = (high - low).max()
        squares = {kind: face_square(kind, landmarks=points) for kind in FACE_CROPS}
        for kind, square in squares.items():
            scale, (right, down) = FACE_CROPS[kind]
            assert square.side == pytest.approx(scale * longer, rel=1e-5)
            expected = (low + high) / 2 + np.multiply((right, down), longer)
            np.testing.assert_allclose(square[:2], expected, rtol=1e-5)
        tight, loose = squares['tight'], squares['loose']
        for axis in (0, 1):
            assert loose[axis] - loose.side / 2 < tight[axis] - tight.side / 2 < low[axis]
            assert loose[axis] + loose.side / 2 > tight[axis] + tight.side / 2 > high[axis]

    @pytest.mark.parametrize('index', range(3))
    def test_tight_keeps_all_landmarks_inside_when_jittered(self, index):
        transform = RandomCropFace('tight', 112, max_angle=10)
        for _ in range(40):
            points = transform(sample(index))['gt_landmarks']
            assert points.min() > -0.5 and points.max() < 111.5

    def test_sources(self):
        results = sample()
        results['face_box'] = np.array([40, 50, 80, 80], np.float32)
        longer = np.ptp(results['gt_landmarks'], axis=0).max()

        def side(**arguments):
            return CropFace('loose', scale=1, **arguments).square(results).side

        assert side() == side(source='landmarks') == pytest.approx(longer)
        assert side(source='box') == 40
        assert side(source='image') == 128
        del results['gt_landmarks']
        assert side() == 40
        del results['face_box']
        assert side() == 128

    def test_a_head_image_is_loose_as_a_whole(self):
        image = sample()['img']
        out = CropFace('loose')(dict(img=image))
        np.testing.assert_array_equal(out['img'], image)
        wide = CropFace('loose', fill=(1, 2, 3))(dict(img=image[:, 20:100]))['img']
        np.testing.assert_array_equal(wide[:, 24:104], image[:, 20:100])
        assert (wide[:, :24] == (1, 2, 3)).all() and (wide[:, 104:] == (1, 2, 3)).all()

    def test_without_size_the_pixels_are_the_images(self):
        results = sample()
        points = results['gt_landmarks'].copy()
        out = CropFace('tight', scale=0.8, shift=(0, 0))(results)
        offset = points - out['gt_landmarks']
        left, top = np.rint(offset[0]).astype(int)
        np.testing.assert_allclose(offset, [(left, top)] * 98, atol=1e-4)
        size = out['img'].shape[0]
        np.testing.assert_array_equal(
            out['img'], sample()['img'][top : top + size, left : left + size]
        )

    @pytest.mark.parametrize('key', ['landmarks', 'box'])
    def test_what_is_missing_is_named(self, key):
        with pytest.raises(ValueError, match=f"source='{key}'.*'a.jpg'.*landmarks"):
            CropFace('tight', source=key)(dict(img=np.zeros((9, 9, 3), np.uint8), img_path='a.jpg'))

    def test_a_face_without_extent_is_named(self):
        results = dict(sample(), face_box=np.array([5, 5, 5, 5], np.float32))
        with pytest.raises(
            ValueError, match=r'synthface://train/0.*\[5.0, 5.0, 5.0, 5.0\].*no ext'
        ):
            CropFace('tight', source='box')(results)

    @pytest.mark.parametrize(
        'wrong',
        [
            dict(kind='close'),
            dict(size=0),
            dict(size=1.5),
            dict(scale=-1),
            dict(shift=(1, 2, 3)),
            dict(source='face'),
            dict(border='wrap'),
            dict(fill=256),
            dict(fill=(1, 2)),
        ],
    )
    def test_wrong_arguments_are_named(self, wrong):
        ((name, value),) = wrong.items()
        with pytest.raises(ValueError, match=f'CropFace: {name} ') as error:
            CropFace(**{'kind': 'tight', **wrong})
        assert repr(value) in str(error.value)


class TestRandomCropFace:
    def test_without_randomness_it_is_crop_face(self):
        plain = CropFace('loose', 64)(sample())
        still = RandomCropFace('loose', 64, scale_range=(1, 1), max_shift=0)(sample())
        np.testing.assert_array_equal(still['img'], plain['img'])
        np.testing.assert_array_equal(still['gt_landmarks'], plain['gt_landmarks'])

    def test_ranges_are_met_and_filled(self):
        transform = RandomCropFace('tight', 64, (0.8, 1.1), 0.1, max_angle=15)
        drawn = np.array([transform._rand_params() for _ in range(2000)])
        ranges = np.array([(0.8, 1.1), (-0.1, 0.1), (-0.1, 0.1), (-15, 15)])
        width = np.ptp(ranges, axis=1)
        assert (np.abs(drawn.min(0) - ranges[:, 0]) < 0.01 * width).all()
        assert (np.abs(drawn.max(0) - ranges[:, 1]) < 0.01 * width).all()
        np.testing.assert_allclose(drawn.std(0), width / 12**0.5, rtol=0.05)

    def test_the_square_is_what_was_drawn(self, monkeypatch):
        transform = RandomCropFace('tight', 64, max_angle=15)
        monkeypatch.setattr(transform, '_rand_params', lambda: (0.9, 0.04, -0.02, 10.0))
        square = transform.square(sample())
        out = transform(sample())
        middle = move_points(np.array([[31.5, 31.5]]), invert(out['warp_matrix']))[0]
        expected = (square.x + 0.04 * square.side, square.y - 0.02 * square.side)
        np.testing.assert_allclose(middle, expected)
        assert np.linalg.det(out['warp_matrix'][:, :2]) == pytest.approx(
            (64 / (0.9 * square.side)) ** 2
        )
        assert out['rotate_angle'] == 10

    @pytest.mark.parametrize(
        'wrong', [dict(scale_range=(1.2, 0.8)), dict(max_shift=2), dict(max_angle=-1)]
    )
    def test_wrong_arguments_are_named(self, wrong):
        ((name, _),) = wrong.items()
        with pytest.raises(ValueError, match=f'RandomCropFace: {name} '):
            RandomCropFace('tight', 64, **wrong)


class TestResizeFace:
    def test_stretches_and_records_the_scale(self):
        results = sample()
        results['img'] = results['img'][:64]
        points = results['gt_landmarks'].copy()
        out = ResizeFace(96)(results)
        assert out['img'].shape == (96, 96, 3)
        assert out['scale'] == (96, 96) and out['scale_factor'] == (0.75, 1.5)
        expected = (points + 0.5) * (0.75, 1.5) - 0.5
        np.testing.assert_allclose(out['gt_landmarks'], expected, atol=1e-4)

    def test_the_same_size_changes_nothing(self):
        out = ResizeFace(128)(sample())
        np.testing.assert_array_equal(out['img'], sample()['img'])
        np.testing.assert_array_equal(out['gt_landmarks'], sample()['gt_landmarks'])

    @pytest.mark.parametrize('size', [0, 2.5, (64, 64), True])
    def test_wrong_size(self, size):
        with pytest.raises(ValueError, match='ResizeFace: size '):
            ResizeFace(size)


class TestFlip:
    def test_table_pairs_points_off(self):
        np.testing.assert_array_equal(FLIP_INDICES[FLIP_INDICES], np.arange(98))
        alone = np.flatnonzero(np.arange(98) == FLIP_INDICES)
        # Chin, bridge and base of the nose, and the middles of the four lip edges.
        assert alone.tolist() == [16, 51, 52, 53, 54, 57, 79, 85, 90, 94]

    @pytest.mark.parametrize(
        ('left', 'right'),
        [(0, 32), (15, 17), (33, 46), (37, 42), (38, 50), (41, 47), (55, 59), (60, 72), (61, 71),
         (64, 68), (65, 75), (66, 74), (76, 82), (77, 81), (84, 86), (88, 92), (95, 93), (96, 97)],
    )  # fmt: skip
    def test_table_knows_the_face(self, left, right):
        assert FLIP_INDICES[left] == right and FLIP_INDICES[right] == left

    def test_table_cannot_be_written(self):
        with pytest.raises(ValueError, match='read-only'):
            FLIP_INDICES[0] = 1

    def test_twice_is_nothing(self):
        flip = RandomFlipFace(1)
        out = flip(flip(sample()))
        np.testing.assert_array_equal(out['img'], sample()['img'])
        np.testing.assert_allclose(out['gt_landmarks'], sample()['gt_landmarks'], atol=1e-4)
        np.testing.assert_allclose(out['face_box'], sample()['face_box'], atol=1e-4)
        np.testing.assert_allclose(out['warp_matrix'], np.eye(2, 3))

    @pytest.mark.parametrize('index', range(3))
    def test_names_keep_their_side(self, index):
        """In every image, flipped or not, the left points are on the left."""
        assert len(LEFT_POINTS) == (98 - 10) / 2
        for prob in (0, 1):
            x = RandomFlipFace(prob)(sample(index))['gt_landmarks'][:, 0]
            assert (x[LEFT_POINTS] < x[FLIP_INDICES[LEFT_POINTS]]).all()

    def test_a_symmetric_face_is_hardly_changed(self):
        """Every contour keeps its direction; in the old order the points would be far away."""
        straight = SynthFace(num_samples=1, image_size=128, difficulty=dict(pose=0, variation=0))
        before = straight[0]['gt_landmarks']
        after = RandomFlipFace(1)(straight[0])['gt_landmarks']
        assert np.linalg.norm(after - before, axis=1).max() < 4
        assert np.linalg.norm(after[FLIP_INDICES] - before, axis=1).mean() > 20

    def test_half_is_flipped_and_recorded(self):
        flip = RandomFlipFace()
        records = []
        for _ in range(400):
            out = flip(dict(img=np.arange(12, dtype=np.uint8).reshape(2, 6)))
            assert out['flip'] == (out['img'][0, 0] == 5)
            assert out['flip_direction'] == ('horizontal' if out['flip'] else None)
            records.append(out['flip'])
        assert 0.42 < np.mean(records) < 0.58

    def test_other_points(self):
        points = np.array([(1, 1), (8, 2), (5, 6)], np.float32)
        out = RandomFlipFace(1, flip_indices=[1, 0, 2])(
            dict(img=np.zeros((10, 10, 3), np.uint8), gt_landmarks=points)
        )
        np.testing.assert_array_equal(out['gt_landmarks'], [(1, 2), (8, 1), (4, 6)])

    def test_wrong_number_of_points(self):
        with pytest.raises(ValueError, match='98 .*train/0.*5.*flip_ind'):
            RandomFlipFace(1)(dict(sample(), gt_landmarks=np.zeros((5, 2), np.float32)))

    @pytest.mark.parametrize('indices', [[1, 2, 0], [0, 0], [1, 2]])
    def test_indices_that_are_no_pairs(self, indices):
        with pytest.raises(ValueError, match='flip_indices'):
            RandomFlipFace(flip_indices=indices)

    def test_wrong_probability(self):
        with pytest.raises(ValueError, match='RandomFlipFace: prob .*2'):
            RandomFlipFace(2)


class TestRandomRotateFace:
    def test_rotates_clockwise_by_the_recorded_angle(self):
        results = sample()
        eyes = np.diff(results['gt_landmarks'][[60, 72]], axis=0)[0]
        out = RandomRotateFace(30)(results)
        turned = np.diff(out['gt_landmarks'][[60, 72]], axis=0)[0]
        angle = np.degrees(np.arctan2(turned[1], turned[0]) - np.arctan2(eyes[1], eyes[0]))
        assert abs(out['rotate_angle']) <= 30
        assert angle == pytest.approx(out['rotate_angle'], abs=1e-3)

    def test_distances_stay(self):
        before, after = sample()['gt_landmarks'], RandomRotateFace(180)(sample())['gt_landmarks']
        np.testing.assert_allclose(
            np.linalg.norm(before - before[0], axis=1),
            np.linalg.norm(after - after[0], axis=1),
            atol=1e-3,
        )

    def test_probability_and_range(self):
        transform = RandomRotateFace(20, prob=0.25)
        angles = np.array([transform._rand_angle() for _ in range(2000)])
        assert 0.2 < (angles != 0).mean() < 0.3
        turned = angles[angles != 0]
        assert 19 < turned.max() <= 20 and -20 <= turned.min() < -19

    def test_zero_probability_does_not_change_the_image(self):
        results = sample()
        out = RandomRotateFace(20, prob=0)(results)
        assert out['img'] is results['img'] and out['rotate_angle'] == 0

    def test_wrong_arguments(self):
        with pytest.raises(ValueError, match='max_angle '):
            RandomRotateFace(181)
        with pytest.raises(ValueError, match='prob '):
            RandomRotateFace(10, prob=-1)


def test_swap_table_on_real_faces(real_data):
    """Frontal portraits resemble their mirror image after the points are reordered."""
    dataset = WFLW(data_root=str(real_data / 'wflw_layout'), pipeline=[])

    def misfit(points, others):
        """Return the mean distance after rotation, scaling and translation, without mirroring."""
        z, w = (p[:, 0] + 1j * p[:, 1] for p in (points.astype(float), others.astype(float)))
        system = np.column_stack([z, np.ones(98)])
        fitted = system @ np.linalg.lstsq(system, w, rcond=None)[0]
        return np.abs(fitted - w).mean() / np.abs(w[60] - w[72])

    for index in range(0, len(dataset), 5):
        points = dataset[index]['gt_landmarks']
        image = dict(img=np.zeros((256, 256, 3), np.uint8), gt_landmarks=points)
        mirrored = RandomFlipFace(1)(image)['gt_landmarks']
        assert misfit(mirrored, points) < 0.1
        assert misfit(mirrored[FLIP_INDICES], points) > 0.4
