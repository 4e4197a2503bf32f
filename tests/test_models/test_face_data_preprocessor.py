# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.registry import MODELS


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


def normalised(images):
    rgb = images.double().flip(1)
    return (rgb - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def test_erased_boxes_keep_area_and_ratio_and_hold_standard_noise():
    preprocessor = MODELS.build(dict(type='FaceDataPreprocessor', erasing=dict(prob=0.5)))
    images = torch.full((1000, 3, 48, 40), 7, dtype=torch.uint8)
    erased = preprocessor(dict(inputs=images), training=True)['inputs']
    inside = erased != 7
    assert torch.equal(inside.all(dim=1), inside.any(dim=1)), 'all channels share a box'
    boxes = []
    for mask in inside[:, 0][inside.any(dim=(1, 2, 3))]:
        height, width = mask.any(dim=1).sum(), mask.any(dim=0).sum()
        assert mask.sum() == height * width
        boxes.append((height, width))
    height, width = torch.tensor(boxes).double().unbind(1)
    assert len(boxes) / 1000 == pytest.approx(0.5, abs=0.05)
    share, ratio = height * width / (48 * 40), height / width
    assert share.min() > 0.015 and share.max() < 0.345, 'whole pixels allow a little more'
    assert ratio.min() > 0.25 and ratio.max() < 3.8
    assert inside[:, 0].any(dim=0).all(), 'every pixel can be hit'
    noise = erased[inside]
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    assert len(noise.unique()) > 0.95 * len(noise), 'each pixel and channel has its own noise'


@pytest.mark.parametrize(
    'device',
    [
        'cpu',
        pytest.param(
            'cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
        ),
    ],
)
def test_random_state_of_the_cpu_decides_what_is_erased(batch, device):
    def inputs(seed, device='cpu'):
        torch.manual_seed(seed)
        preprocessor = build(erasing=dict(prob=1.0)).to(device)
        return preprocessor(batch, training=True)['inputs'].cpu()

    first = inputs(3)
    torch.testing.assert_close(inputs(3, device), first)
    assert not torch.allclose(inputs(4, device), first)


def test_preprocessor_normalises_and_then_erases_in_training(batch):
    expected = normalised(batch['inputs'])
    inputs = build(erasing=dict(prob=1.0))(batch, training=True)['inputs']
    same = (inputs - expected).abs().amax(dim=1) < 1e-5
    share = 1 - same.double().mean(dim=(1, 2))
    assert ((share > 0.015) & (share < 0.35)).all()


def test_preprocessor_leaves_evaluation_alone(batch):
    expected = normalised(batch['inputs'])
    state = torch.get_rng_state()
    for preprocessor, training in ((build(erasing=dict(prob=1.0)), False), (build(), True)):
        inputs = preprocessor(batch, training=training)['inputs']
        torch.testing.assert_close(inputs, expected.float(), rtol=0, atol=1e-5)
    assert torch.equal(torch.get_rng_state(), state), 'and draws no random numbers there'


def test_preprocessor_takes_lists_as_well(batch):
    preprocessor = build(erasing=dict(prob=1.0))
    torch.manual_seed(1)
    expected = preprocessor(batch, training=True)['inputs']
    torch.manual_seed(1)
    listed = dict(batch, inputs=list(batch['inputs']))
    torch.testing.assert_close(preprocessor(listed, training=True)['inputs'], expected)


@pytest.mark.parametrize(
    ('erasing', 'message'),
    [
        (dict(prob=1.5), r'data_preprocessor.erasing.prob must be in \[0, 1\], not 1.5'),
        (dict(area=(0.3, 0.1)), r'erasing.area must be .*, not \(0.3, 0.1\)'),
        (dict(area=(0.3, 1.1)), r'erasing.area must be .*, not \(0.3, 1.1\)'),
        (dict(ratio=(0, 1)), r'erasing.ratio must be .*, not \(0, 1\)'),
    ],
)
def test_preprocessor_refuses_wrong_values(erasing, message):
    with pytest.raises(ValueError, match=message):
        build(erasing=erasing)


def test_preprocessor_refuses_unknown_keys():
    with pytest.raises(TypeError, match='probability'):
        build(erasing=dict(probability=0.5))
