# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""``PackInputs`` returns the same as mmpretrain's."""

import numpy as np
import pytest
import torch
from mmpretrain.datasets.transforms import PackInputs as Reference
from PIL import Image

from mmfer.datasets.transforms import PackInputs
from mmfer.registry import TRANSFORMS

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (7, 5, 3), dtype=np.uint8)
INPUTS = {
    'image': IMAGE,
    'one pixel': IMAGE[:1, :1],
    'part of an image': IMAGE[2:6, 1:4],
    'mirrored view': IMAGE[:, ::-1],
    'gray': IMAGE[..., 0],
    'one channel': IMAGE[..., :1],
    'four channels': np.dstack([IMAGE, IMAGE[..., :1]]),
    'float': IMAGE.astype(np.float32),
    'frames': np.stack([IMAGE, IMAGE]),
    'tensor': torch.from_numpy(IMAGE),
    'Pillow': Image.fromarray(IMAGE),
}


@pytest.mark.parametrize('image', INPUTS.values(), ids=INPUTS)
def test_same_tensor(image):
    ours, theirs = PackInputs.format_input(image), Reference.format_input(image)
    assert ours.dtype == theirs.dtype and ours.is_contiguous() == theirs.is_contiguous()
    assert torch.equal(ours, theirs)


def test_lists_and_other_inputs():
    views = PackInputs.format_input([IMAGE, [IMAGE]])
    assert torch.equal(views[0], views[1][0]) and views[0].shape == (3, 7, 5)
    with pytest.raises(TypeError, match='str'):
        PackInputs.format_input('a.jpg')


def test_nothing_is_shared_with_the_image():
    image = IMAGE.copy()
    packed = PackInputs.format_input(image)
    image[:] = 0
    assert torch.equal(packed, Reference.format_input(IMAGE))


def test_labels_and_facts_are_mmpretrains():
    results = dict(
        img=IMAGE, gt_label=2, gt_age=30.0, img_path='a.jpg', flip=True, ori_shape=(7, 5), more=1
    )
    step = TRANSFORMS.build(dict(type='PackInputs', algorithm_keys=('gt_age',)))
    assert type(step) is PackInputs
    ours = step(dict(results))
    theirs = Reference(algorithm_keys=('gt_age',))(dict(results))
    assert ours.keys() == theirs.keys() and torch.equal(ours['inputs'], theirs['inputs'])
    ours, theirs = ours['data_samples'], theirs['data_samples']
    assert torch.equal(ours.gt_label, theirs.gt_label) and ours.gt_age == theirs.gt_age == 30
    assert ours.metainfo == theirs.metainfo


def test_mmpretrains_transform_is_still_available():
    assert type(TRANSFORMS.build(dict(type='mmpretrain.PackInputs'))) is Reference
