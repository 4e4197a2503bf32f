# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import itertools
import math

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample
from torchvision.transforms import RandomErasing

from mmfer.models.utils import draw_erasing_boxes, random_erase
from mmfer.registry import MODELS

SETTINGS = dict(prob=0.5, area=(0.02, 0.33), ratio=(0.3, 3.3))


def test_boxes_are_distributed_as_torchvisions():
    image = torch.zeros(3, 112, 112)
    theirs = np.array(
        [
            RandomErasing.get_params(image, SETTINGS['area'], SETTINGS['ratio'], [0.0])[:4]
            for _ in range(3000)
        ]
    )
    ours = draw_erasing_boxes(
        3000, 112, 112, 1.0, SETTINGS['area'], SETTINGS['ratio'], 'log'
    ).numpy()
    for statistic in (np.mean, np.std):
        np.testing.assert_allclose(statistic(ours, 0), statistic(theirs, 0), atol=1.5)
    quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
    for quantity in (lambda b: b[:, 2] * b[:, 3], lambda b: np.log(b[:, 2] / b[:, 3])):
        mine, reference = (np.quantile(quantity(boxes), quantiles) for boxes in (ours, theirs))
        np.testing.assert_allclose(mine, reference, rtol=0.08, atol=0.08)


@pytest.mark.parametrize(
    ('sampling', 'ratio_at', 'share'),
    [
        ('uniform', lambda u: 0.3 + 3 * u, 0.76),
        ('log', lambda u: 0.3 * 11**u, 0.5),
    ],
)
def test_share_of_tall_boxes(sampling, ratio_at, share):
    """The expected value is over a grid of areas and ratios, without boxes that do not fit."""
    shapes = []
    for area, ratio in itertools.product((np.arange(200) + 0.5) / 200, repeat=2):
        pixels, ratio = (0.02 + 0.31 * area) * 112**2, ratio_at(ratio)
        height, width = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if height < 112 and width < 112:
            shapes.append((height > width, height, width))
    expected = np.mean(shapes, axis=0)
    assert expected[0] == pytest.approx(share, abs=0.01)
    boxes = draw_erasing_boxes(
        40000, 112, 112, 1.0, SETTINGS['area'], SETTINGS['ratio'], sampling
    ).double()
    heights, widths = boxes[:, 2], boxes[:, 3]
    assert (heights > widths).double().mean().item() == pytest.approx(expected[0], abs=0.01)
    for sides, mean in ((heights, expected[1]), (widths, expected[2])):
        assert sides.mean().item() == pytest.approx(mean, rel=0.015)


@pytest.mark.parametrize('sampling', ['uniform', 'log'])
def test_boxes_lie_inside_and_keep_area_and_ratio(sampling):
    boxes = draw_erasing_boxes(5000, 112, 96, **SETTINGS, ratio_sampling=sampling).double()
    top, left, height, width = boxes.unbind(1)
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height <= 112).all() and (left + width <= 96).all()
    erased = height > 0
    assert erased.double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (boxes[~erased] == 0).all()
    share = (height * width / (112 * 96))[erased]
    assert share.min() > 0.018 and share.max() < 0.34, 'whole pixels allow a little more'
    ratio = (height / width)[erased]
    assert ratio.min() > 0.27 and ratio.max() < 3.6
    # Every position of the image can be erased.
    assert top.min() == 0 and (top + height).max() == 112 and (left + width).max() == 96


def test_box_that_never_fits_erases_nothing():
    boxes = draw_erasing_boxes(50, 100, 10, 1.0, (0.3, 0.33), (0.1, 0.1))
    assert (boxes == 0).all()


def test_erasing_replaces_exactly_the_box_by_standard_noise():
    images = torch.full((400, 3, 32, 32), 7.0)
    state = torch.get_rng_state()
    erased = random_erase(images, **SETTINGS)
    torch.set_rng_state(state)
    boxes = draw_erasing_boxes(400, 32, 32, **SETTINGS)

    values = []
    expected = torch.zeros(400, 3, 32, 32, dtype=torch.bool)
    for index, (top, left, height, width) in enumerate(boxes.tolist()):
        expected[index, :, top : top + height, left : left + width] = True
        values.append(erased[index, :, top : top + height, left : left + width].flatten())
    assert torch.equal(erased != 7, expected)
    values = torch.cat(values)
    assert values.mean().item() == pytest.approx(0, abs=0.02)
    assert values.std().item() == pytest.approx(1, abs=0.02)
    assert len(values.unique()) > 0.99 * len(values), 'each pixel and channel has its own noise'
    assert (images == 7).all(), 'the input is not modified'


def test_random_state_of_the_cpu_decides():
    images = torch.zeros(8, 3, 32, 32)
    torch.manual_seed(3)
    first = random_erase(images)
    torch.manual_seed(3)
    assert torch.equal(random_erase(images), first)
    assert not torch.equal(random_erase(images), first)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_keeps_low_precision(dtype):
    assert random_erase(torch.zeros(4, 3, 16, 16, dtype=dtype), prob=1.0).dtype == dtype


@pytest.mark.gpu
def test_gpu_batches_are_erased_as_cpu_batches_are():
    images = torch.zeros(8, 3, 32, 32)
    torch.manual_seed(3)
    expected = random_erase(images)
    torch.manual_seed(3)
    assert torch.equal(random_erase(images.cuda()).cpu(), expected)


@pytest.fixture
def batch():
    images = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(i % 7) for i in range(16)]
    return dict(inputs=images, data_samples=samples)


MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def build(**kwargs):
    return MODELS.build(
        dict(type='FaceDataPreprocessor', mean=MEAN, std=STD, to_rgb=True, **kwargs)
    )


def normalized(images):
    rgb = images.double().flip(1)
    return (rgb - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def test_preprocessor_normalizes_and_then_erases_in_training(batch):
    expected = normalized(batch['inputs'])
    inputs = build(erasing=dict(prob=1.0))(batch, training=True)['inputs']
    same = (inputs - expected).abs().amax(dim=1) < 1e-5
    share = 1 - same.double().mean(dim=(1, 2))
    assert ((share > 0.015) & (share < 0.35)).all()


def test_preprocessor_leaves_evaluation_alone(batch):
    expected = normalized(batch['inputs'])
    state = torch.get_rng_state()
    for preprocessor, training in ((build(erasing=dict(prob=1.0)), False), (build(), True)):
        inputs = preprocessor(batch, training=training)['inputs']
        torch.testing.assert_close(inputs, expected.float(), rtol=0, atol=1e-5)
    assert torch.equal(torch.get_rng_state(), state), 'and draws no random numbers there'


def test_preprocessor_accepts_lists(batch):
    preprocessor = build(erasing=dict(prob=1.0))
    torch.manual_seed(1)
    expected = preprocessor(batch, training=True)['inputs']
    torch.manual_seed(1)
    listed = dict(batch, inputs=list(batch['inputs']))
    torch.testing.assert_close(preprocessor(listed, training=True)['inputs'], expected)


@pytest.mark.parametrize(
    ('erasing', 'message'),
    [
        (dict(prob=1.5), 'data_preprocessor.erasing.prob .*1.5'),
        (dict(area=(0.3, 0.1)), r'erasing.area .*\(0.3, 0.1\)'),
        (dict(area=(0.3, 1.1)), r'erasing.area .*\(0.3, 1.1\)'),
        (dict(ratio=(0, 1)), r'erasing.ratio .*\(0, 1\)'),
        (dict(ratio_sampling='exp'), "erasing.ratio_sampling .*'log'.*'exp'"),
    ],
)
def test_wrong_values_of_the_preprocessor_are_an_error(erasing, message):
    with pytest.raises(ValueError, match=message):
        build(erasing=erasing)


def test_preprocessor_draws_ratios_as_the_released_code_unless_told_otherwise(batch):
    torch.manual_seed(1)
    uniform = random_erase(build()(batch, training=True)['inputs'])
    torch.manual_seed(1)
    log = random_erase(build()(batch, training=True)['inputs'], ratio_sampling='log')
    for erasing, expected in ((dict(), uniform), (dict(ratio_sampling='log'), log)):
        torch.manual_seed(1)
        assert torch.equal(build(erasing=erasing)(batch, training=True)['inputs'], expected)
    assert not torch.equal(uniform, log)


def test_unknown_keys_of_the_preprocessor_are_an_error():
    with pytest.raises(TypeError, match='probability'):
        build(erasing=dict(probability=0.5))


def test_ten_attempts_find_a_box_with_the_default_settings():
    # The largest area at the most extreme ratio is longer than the image: some attempts fail.
    assert math.sqrt(0.33 * 3.3) > 1
    boxes = draw_erasing_boxes(20000, 112, 112, 1.0, SETTINGS['area'], SETTINGS['ratio'])
    assert (boxes[:, 2] > 0).all() and boxes[:, 2:].max() < 112
