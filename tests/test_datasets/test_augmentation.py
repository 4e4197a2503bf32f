# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The training pipeline of the RAF-DB config, step by step, against slow references."""

import math
import random
from functools import partial

import cv2
import numpy as np
import pytest
import torchvision.transforms.functional as tv
from mmengine.config import Config
from mmengine.dataset import Compose
from PIL import Image
from torchvision.transforms import ColorJitter as TorchvisionColorJitter
from torchvision.transforms import RandomResizedCrop as TorchvisionCrop

from mmfer.datasets.transforms import RandomColorJitter, RandomGrayFace
from mmfer.datasets.transforms.colors import gray_channels, shift_hue
from mmfer.registry import TRANSFORMS

IMAGE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8), (0, 0), 4
)
IMAGE = cv2.normalize(IMAGE, None, 0, 255, cv2.NORM_MINMAX)


@pytest.fixture(scope='module')
def config(repo_root):
    return Config.fromfile(repo_root / 'configs/_base_/datasets/rafdb_112.py')


@pytest.fixture
def step(config):
    """Build one step of the training pipeline by name."""

    def build(name):
        (found,) = (entry for entry in config.train_pipeline if entry['type'] == name)
        return TRANSFORMS.build(dict(found))

    return build


def as_pil(image):
    return Image.fromarray(np.ascontiguousarray(image[..., ::-1]))


def as_bgr(image):
    return np.asarray(image)[..., ::-1].astype(int)


def by_pil(change, channel_order):
    """Apply a function for RGB images to an image with this channel order."""
    if channel_order == 'bgr':
        return as_bgr(change(as_pil(IMAGE)))
    return np.asarray(change(Image.fromarray(IMAGE))).astype(int)


ORDERS = pytest.mark.parametrize('channel_order', ['bgr', 'bgr_as_rgb'])


def test_order_is_the_papers(config):
    assert [entry['type'] for entry in config.train_pipeline] == [
        'LoadFaceImage',
        'Rotate',
        'RandomResizedCrop',
        'RandomFlipFace',
        'RandomGrayFace',
        'RandomColorJitter',
        'PackInputs',
    ]


def test_rotation_is_uniform_within_six_degrees_for_half_of_the_images(step, monkeypatch):
    angles = []

    def rotate(image, angle, **kwargs):
        angles.append(angle)
        assert kwargs['border_value'] == 0 and kwargs['interpolation'] == 'bilinear'
        return image

    monkeypatch.setattr('mmpretrain.datasets.transforms.auto_augment.mmcv.imrotate', rotate)
    transform = step('Rotate')
    for _ in range(4000):
        transform(dict(img=IMAGE))
    assert len(angles) / 4000 == pytest.approx(0.5, abs=0.03)
    assert -6 <= min(angles) < -5.9 and 5.9 < max(angles) <= 6
    assert np.mean(angles) == pytest.approx(0, abs=0.25)
    assert np.std(angles) == pytest.approx(12 / math.sqrt(12), abs=0.15)


def test_rotated_corners_are_black(step):
    transform = step('Rotate')
    transform.prob, transform.random_negative = 1, lambda value: 6
    corners = transform(dict(img=np.full((112, 112, 3), 200, np.uint8)))['img'][::111, ::111]
    assert (corners == 0).all()


def test_crop_has_the_size_and_spread_of_torchvisions(step):
    transform = step('RandomResizedCrop')
    assert transform(dict(img=np.zeros((224, 224, 3), np.uint8)))['img'].shape == (112, 112, 3)

    image = np.zeros((224, 224, 3), np.uint8)
    ours = np.array([transform.rand_crop_params(image) for _ in range(2000)])
    pil = as_pil(image)
    theirs = np.array([TorchvisionCrop.get_params(pil, [0.8, 1], [1, 1]) for _ in range(2000)])
    assert (ours[:, 2] == ours[:, 3]).all(), 'ratio 1'
    areas = ours[:, 2] ** 2 / 224**2
    assert areas.min() == pytest.approx(0.8, abs=0.01) and areas.max() <= 1
    np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.6)
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), atol=0.6)


def test_flip_mirrors_half_of_the_images(step):
    transform = step('RandomFlipFace')
    flipped = [
        np.array_equal(transform(dict(img=IMAGE))['img'], IMAGE[:, ::-1]) for _ in range(2000)
    ]
    assert np.mean(flipped) == pytest.approx(0.5, abs=0.04)


def test_gray_images_are_a_fifth_and_weighted_as_in_the_released_code(step):
    transform = step('RandomGrayFace')
    results = [transform(dict(img=IMAGE))['img'] for _ in range(2000)]
    gray = [image for image in results if not np.array_equal(image, IMAGE)]
    assert len(gray) / 2000 == pytest.approx(0.2, abs=0.03)
    expected = IMAGE @ (0.299, 0.587, 0.114)  # of B, G and R
    assert np.abs(gray[0] - expected[..., None]).max() < 0.51, 'to the nearest'
    assert gray[0].shape == (112, 112, 3) and gray[0].dtype == np.uint8


@ORDERS
def test_gray_is_torchvisions(channel_order):
    expected = by_pil(partial(tv.to_grayscale, num_output_channels=3), channel_order)
    result = RandomGrayFace(1, channel_order)(dict(img=IMAGE))['img']
    assert np.abs(result - expected).max() <= 1


def test_gray_depends_on_the_order():
    usual, released = (gray_channels(IMAGE, order) for order in ('bgr', 'bgr_as_rgb'))
    weight = (0.299 - 0.114) * (IMAGE[..., 2] - IMAGE[..., 0].astype(int))  # of red over blue
    assert np.abs(usual[..., 0] - released[..., 0].astype(int) - weight).max() <= 1


def test_gray_with_a_wrong_probability_is_an_error():
    with pytest.raises(ValueError, match='prob .*-1'):
        RandomGrayFace(-1)


@ORDERS
@pytest.mark.parametrize('shift', [-0.5, -0.1, -0.013, 0, 0.02, 0.1, 0.5])
def test_hue_turns_as_in_torchvision(shift, channel_order):
    expected = by_pil(partial(tv.adjust_hue, hue_factor=shift), channel_order)
    difference = np.abs(shift_hue(IMAGE, shift, channel_order) - expected)
    # Both convert to 8-bit HSV, with different rounding.
    assert difference.mean() < 1.5 and np.percentile(difference, 99) <= 6


@pytest.mark.parametrize('shift', [-0.1, 0.02, 0.4])
def test_hue_turns_the_other_way_round_where_channels_are_exchanged(shift):
    """So that it makes no difference to hues drawn from both sides of 0 alike."""
    mirrored = shift_hue(IMAGE, -shift, 'bgr').astype(int)
    difference = np.abs(shift_hue(IMAGE, shift, 'bgr_as_rgb') - mirrored)
    assert difference.mean() < 1.5 and np.percentile(difference, 99) <= 6


@ORDERS
@pytest.mark.parametrize(
    ('name', 'reference'),
    [
        ('brightness', tv.adjust_brightness),
        ('contrast', tv.adjust_contrast),
        ('saturation', tv.adjust_saturation),
    ],
)
@pytest.mark.parametrize('factor', [0.6, 0.9, 1.4])
def test_jitter_changes_as_torchvision_does(name, reference, factor, channel_order):
    transform = RandomColorJitter(**{name: (factor, factor)}, channel_order=channel_order)
    result = transform(dict(img=IMAGE))['img']
    expected = by_pil(lambda image: reference(image, factor), channel_order)
    assert np.abs(result - expected).max() <= 1


@pytest.mark.parametrize('name', ['RandomGrayFace', 'RandomColorJitter'])
def test_channel_order_is_the_released_one_in_the_config_and_the_true_one_elsewhere(step, name):
    assert step(name).channel_order == 'bgr_as_rgb'
    assert TRANSFORMS.build(dict(type=name)).channel_order == 'bgr'
    with pytest.raises(ValueError, match=f"{name}: channel_order .*'bgr_as_rgb'.*'rgb'"):
        TRANSFORMS.build(dict(type=name, channel_order='rgb'))


def test_jitter_has_the_statistics_of_torchvisions(step):
    transform = step('RandomColorJitter')
    reference = TorchvisionColorJitter(0.4, 0.4, 0.4, 0.1)
    released = Image.fromarray(IMAGE)  # BGR taken for RGB

    def statistics(image):
        return [*image.mean(axis=(0, 1)), image.std()]

    ours, theirs = [], []
    for _ in range(300):
        ours.append(statistics(transform(dict(img=IMAGE))['img']))
        changed = random.random() < 0.8
        theirs.append(statistics(np.asarray(reference(released) if changed else released)))
    np.testing.assert_allclose(np.mean(ours, axis=0), np.mean(theirs, axis=0), atol=6)
    np.testing.assert_allclose(np.std(ours, axis=0), np.std(theirs, axis=0), rtol=0.25)


def test_jitter_leaves_a_fifth_alone_and_mixes_the_order(step):
    transform = step('RandomColorJitter')
    applied = [transform._rand_apply() for _ in range(4000)]
    assert np.mean(applied) == pytest.approx(0.8, abs=0.03)
    orders = {tuple(transform._rand_params()[0]) for _ in range(500)}
    assert len(orders) == 24


def test_jitter_does_not_write_into_its_input():
    image = IMAGE.copy()
    RandomColorJitter(0.4, 0.4, 0.4, 0.1)(dict(img=image))
    np.testing.assert_array_equal(image, IMAGE)


def test_jitter_with_a_wrong_probability_is_an_error():
    with pytest.raises(ValueError, match='prob .*1.2'):
        RandomColorJitter(prob=1.2)


def test_whole_pipeline_gives_bytes_of_the_input_size(config, tmp_path):
    path = tmp_path / 'face.png'
    cv2.imwrite(str(path), cv2.resize(IMAGE, (224, 224)))
    for pipeline in (config.train_pipeline, config.test_pipeline):
        packed = Compose(pipeline)(dict(img_path=str(path), gt_label=3))
        assert packed['inputs'].shape == (3, 112, 112) and packed['inputs'].element_size() == 1
        assert packed['data_samples'].gt_label.tolist() == [3]
        assert packed['data_samples'].img_path == str(path)


def test_evaluation_pipeline_is_not_random(config, tmp_path):
    path = tmp_path / 'face.png'
    cv2.imwrite(str(path), IMAGE)
    results = [Compose(config.test_pipeline)(dict(img_path=str(path))) for _ in range(3)]
    # An image of the input size is not changed.
    assert all((r['inputs'].permute(1, 2, 0).numpy() == IMAGE).all() for r in results)
