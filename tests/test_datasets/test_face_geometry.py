# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Maps of points against maps of pixels: both move a drawn spot to the same place."""

import cv2
import numpy as np
import pytest
from mmcv.transforms import Resize
from PIL import Image

from mmfer.datasets.transforms.face_geometry import (
    Square,
    bounding_box,
    chain,
    crop_map,
    flip_map,
    invert,
    move_box,
    move_points,
    resize_map,
    rotation_map,
    warp,
    whole_pixels,
    widen,
)
from mmfer.datasets.transforms.resize_face import resize

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(0, 100, (98, 2)).astype(np.float32)
MAPS = {
    'crop': crop_map(Square(40.3, 61.7, 77.7), 64),
    'turned crop': crop_map(Square(40.3, 61.7, 77.7), 64, 17),
    'enlarging crop': crop_map(Square(43, 58, 60.4), 112),
    'rotation': rotation_map(-31, 100, 80),
    'flip': flip_map(100),
    'resize': resize_map((100, 80), (64, 64)),
}


def noise(height, width):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def spot(x, y, sigma, size=100):
    """Draw a soft white spot with its center of mass at (x, y)."""
    across, down = np.arange(size), np.arange(size)[:, None]
    value = 250 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * sigma**2))
    return np.rint(value).astype(np.uint8)


def center_of_mass(image):
    weight = image.astype(float)
    down, across = np.indices(image.shape)
    return np.array([(weight * across).sum(), (weight * down).sum()]) / weight.sum()


@pytest.mark.parametrize('matrix', MAPS.values(), ids=MAPS)
class TestMaps:
    def test_map_and_inverse_are_the_identity(self, matrix):
        there = move_points(POINTS.astype(np.float64), matrix)
        np.testing.assert_allclose(move_points(there, invert(matrix)), POINTS, atol=1e-9)
        np.testing.assert_allclose(chain(matrix, invert(matrix)), np.eye(2, 3), atol=1e-12)

    def test_is_the_obvious_formula(self, matrix):
        expected = [
            (row[0] * x + row[1] * y + row[2])
            for x, y in POINTS.astype(np.float64)
            for row in matrix
        ]
        np.testing.assert_allclose(
            move_points(POINTS, matrix), np.reshape(expected, (98, 2)), atol=1e-4
        )
        assert move_points(POINTS, matrix).dtype == np.float32

    def test_chain_is_one_after_the_other(self, matrix):
        for other in MAPS.values():
            together = move_points(POINTS.astype(np.float64), chain(matrix, other))
            in_turn = move_points(move_points(POINTS.astype(np.float64), matrix), other)
            np.testing.assert_allclose(together, in_turn, atol=1e-9)

    @pytest.mark.parametrize('place', [(37.0, 52.0), (48.6, 66.25)])
    def test_pixels_and_points_move_alike(self, matrix, place):
        moved = warp(spot(*place, sigma=3), matrix, (112, 112))
        expected = move_points(np.array([place]), matrix)[0]
        assert (expected > 10).all() and (expected < 101).all(), 'the spot is in the image'
        # OpenCV may round coordinates to 1/32 of a pixel.
        np.testing.assert_allclose(center_of_mass(moved), expected, atol=0.04)

    def test_box_holds_the_moved_box_and_touches_it(self, matrix):
        inside = RNG.uniform((20, 30), (60, 50), (500, 2))
        corners = np.array([(20, 30), (60, 30), (20, 50), (60, 50.0)])
        box = move_box(np.array([20, 30, 60, 50], np.float32), matrix)
        moved = move_points(inside, matrix)
        assert (moved >= box[:2] - 1e-4).all() and (moved <= box[2:] + 1e-4).all()
        np.testing.assert_allclose(box, bounding_box(move_points(corners, matrix)), atol=1e-4)
        assert box.dtype == np.float32 and box.shape == (4,)


class TestConvention:
    def test_resize_moves_points_as_opencv_moves_pixels(self):
        image = spot(37, 52, sigma=4)
        for size in ((64, 64), (150, 130), (100, 40)):
            moved = move_points(np.array([[37.0, 52]]), resize_map((100, 100), size))[0]
            np.testing.assert_allclose(center_of_mass(resize(image, size)), moved, atol=0.02)

    def test_mmcv_resize_moves_key_points_by_another_convention(self):
        """The reason for our own transform; if this fails, mmcv has changed."""
        results = dict(
            img=cv2.cvtColor(spot(37, 52, sigma=4), cv2.COLOR_GRAY2BGR),
            gt_keypoints=np.array([[[37.0, 52, 1]]]),
        )
        results = Resize(scale=(400, 400))(results)
        drawn = center_of_mass(results['img'][..., 0])
        beside = drawn - results['gt_keypoints'][0, 0, :2]
        np.testing.assert_allclose(beside, (4 - 1) / 2, atol=0.02)

    def test_flip_is_opencvs(self):
        image = noise(40, 60)
        np.testing.assert_array_equal(warp(image, flip_map(60), (60, 40)), cv2.flip(image, 1))

    def test_quarter_turn_is_clockwise(self):
        image = noise(41, 41)
        turned = warp(image, rotation_map(90, 41, 41), (41, 41))
        np.testing.assert_array_equal(turned, cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE))

    def test_a_crop_of_the_whole_image_is_the_image(self):
        image = noise(48, 48)
        same = crop_map(Square(23.5, 23.5, 48), 48)
        np.testing.assert_allclose(same, np.eye(2, 3), atol=1e-12)
        np.testing.assert_array_equal(warp(image, same, (48, 48)), image)

    def test_edges_of_the_square_become_edges_of_the_image(self):
        corners = np.array([(40 - 15, 60 - 15), (40 + 15, 60 + 15.0)])
        moved = move_points(corners, crop_map(Square(40, 60, 30), 90))
        np.testing.assert_allclose(moved, [(-0.5, -0.5), (89.5, 89.5)], atol=1e-9)


class TestWarp:
    def test_whole_pixels_are_copied(self):
        image = noise(60, 50)
        square = Square(20, 30, 21)
        assert whole_pixels(square) == square
        cut = warp(image, crop_map(square, 21), (21, 21))
        np.testing.assert_array_equal(cut, image[20:41, 10:31])

    @pytest.mark.parametrize('square', [Square(20.2, 30.4, 20.6), Square(-3.7, 5.2, 31.3)])
    def test_nearest_whole_square(self, square):
        whole = whole_pixels(square)
        left = whole.x - (whole.side - 1) / 2
        assert whole.side == round(square.side) and left == int(left)
        assert abs(whole.x - square.x) <= 0.5 and abs(whole.y - square.y) <= 0.5

    @pytest.mark.parametrize('shrinking', [1.7, 3.3, 7.4, 16])
    def test_shrinking_averages_areas(self, shrinking):
        """Compare with the exact mean of the area of each pixel, for the hardest image: noise."""
        image = noise(600, 640)
        size = 32
        square = Square(300.3, 280.8, shrinking * size)
        ours = warp(image, crop_map(square, size), (size, size))
        exact = area_mean(image, square, size)
        naive = cv2.warpAffine(image, crop_map(square, size), (size, size))

        def error(result):
            return np.sqrt(np.mean((result - exact) ** 2))

        assert error(ours) < 0.7 * exact.std()
        assert error(naive) > 2 * error(ours)

    @pytest.mark.parametrize('angle', [0, 20, 45])
    @pytest.mark.parametrize(
        ('shrinking', 'bound'),
        [(s, 0.28) for s in (1, 1.1, 1.25, 1.3, 1.9, 2.4, 2.9)]
        + [(s, 0.64) for s in (3.1, 4.5, 6.1, 9.2, 12.5)],
    )
    def test_error_is_what_the_docstring_says(self, shrinking, bound, angle):
        image, size = noise(420, 420), 20
        squared = []
        for dx, dy in np.random.default_rng(0).uniform(-5, 5, (4, 2)):  # places fall differently
            matrix = crop_map(Square(208 + dx, 208 + dy, shrinking * size), size, angle)
            exact = sampled_mean(image, matrix, size)
            error = warp(image, matrix, (size, size)) - exact
            squared.append((error**2).mean() / exact.var())
        assert np.sqrt(np.mean(squared)) < 1.1 * bound, 'it is a mean over places'

    def test_a_small_part_of_a_large_image_is_the_same_as_alone(self):
        """Distant pixels are not read, and blocks are aligned as in the whole image."""
        image = noise(400, 500)
        for shrinking, angle in ((0.7, 12), (1.2, 0), (1.8, 30), (4.4, 12)):
            square = Square(310.2, 190.7, shrinking * 20)
            whole = warp(image, crop_map(square, 20, angle), (20, 20))
            moved = square._replace(x=square.x - 180, y=square.y - 60)  # multiples of its blocks
            alone = warp(image[60:320, 180:440], crop_map(moved, 20, angle), (20, 20))
            assert np.abs(whole.astype(int) - alone).max() <= 1

    def test_far_shrinking_keeps_the_mean_of_stripes(self):
        image = np.zeros((900, 900), np.uint8)
        image[:, ::2] = 200
        for side in (300.0, 450, 820):
            cut = warp(image, crop_map(Square(450, 450, side), 64), (64, 64))
            assert np.abs(cut.astype(int) - 100).max() <= 12

    @pytest.mark.parametrize('angle', [0, 25])
    def test_outside_is_filled_and_inside_is_not_touched(self, angle):
        white = np.full((40, 60, 3), 255, np.uint8)
        matrix = crop_map(Square(30.2, 20.6, 90), 90, angle)
        filled = warp(white, matrix, (90, 90), fill=(10, 20, 30))
        back = invert(matrix)
        for y, x in RNG.integers(0, 90, (400, 2)):
            px, py = move_points(np.array([[x, y]], float), back)[0]
            inside = -0.5 <= px <= 59.5 and -0.5 <= py <= 39.5
            assert filled[y, x].tolist() == ([255] * 3 if inside else [10, 20, 30])

    def test_enlarged_edges_are_not_darkened(self):
        white = np.full((20, 20, 3), 255, np.uint8)
        assert (warp(white, crop_map(Square(9.5, 9.5, 20), 77), (77, 77)) == 255).all()

    def test_replicated_edges(self):
        image = noise(20, 20)
        wide = warp(image, crop_map(Square(9.5, 9.5, 40), 40), (40, 40), border='replicate')
        np.testing.assert_array_equal(wide, cv2.copyMakeBorder(image, *[10] * 4, 1))

    def test_tiny_images(self):
        wide = warp(np.full((2, 3, 3), 9, np.uint8), crop_map(Square(1, 1, 500), 8), (8, 8))
        assert wide.shape == (8, 8, 3) and wide.max() < 9


def area_mean(image, square, size):
    """Return the mean of the piecewise constant image over the area of each result pixel."""

    def weights(middle, length):
        edges = middle - square.side / 2 + np.arange(size + 1) * square.side / size
        pixel = np.arange(length)
        low = np.maximum(edges[:-1, None], pixel - 0.5)
        high = np.minimum(edges[1:, None], pixel + 0.5)
        overlap = np.maximum(high - low, 0)
        return overlap / overlap.sum(axis=1, keepdims=True)

    rows, columns = weights(square.y, image.shape[0]), weights(square.x, image.shape[1])
    return np.einsum('ih,hwc,jw->ijc', rows, image.astype(float), columns, optimize=True)


def sampled_mean(image, matrix, size, samples=48):
    """The same for rotated pixels: the mean over ``samples`` x ``samples`` points in each."""
    along = (np.arange(size * samples) + 0.5) / samples - 0.5
    places = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    across, down = np.rint(move_points(places, invert(matrix))).astype(int).T
    return image[down, across].reshape(size, samples, size, samples, 3).mean(axis=(1, 3))


def test_widen_scales_and_shifts_by_the_longer_side():
    assert widen((10, 20, 50, 100), 1.5, (0.1, -0.25)) == Square(38, 40, 120)


def test_area_mean_is_pillows_box_filter():
    """Compare the reference of this file with Pillow's, in a case that both support."""
    image = noise(64, 64)
    theirs = Image.fromarray(image).resize((16, 16), Image.BOX)
    ours = area_mean(image, Square(31.5, 31.5, 64), 16)
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1)  # it rounds twice


@pytest.mark.parametrize('angle', [0.0, 13.0])
@pytest.mark.parametrize('side', [20, 45, 90, 300])
@pytest.mark.parametrize('border', ['constant', 'replicate'])
def test_channels_of_a_warp_are_independent(angle, side, border):
    """OpenCV maps a color image with four channels, a gray one with one."""
    image = np.random.randint(0, 256, (70, 60, 3), dtype=np.uint8)
    matrix = crop_map(Square(31.3, 28.8, side), 24, angle)
    whole = warp(image, matrix, (24, 24), border, (3, 2, 1))
    single = [
        warp(channel, matrix, (24, 24), border, (fill,) * 3)
        for channel, fill in zip(cv2.split(image), (3, 2, 1), strict=True)
    ]
    assert np.array_equal(whole, np.stack(single, axis=-1))
