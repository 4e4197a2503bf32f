# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.models.utils import FaceDataPreprocessor
from mmfer.models.utils.standardize import standardize_images


def test_light_and_contrast_make_no_difference():
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    out = standardize_images(images)
    for image, one in zip(images, out, strict=True):
        expected = (image - image.mean()) / image.std(unbiased=False)
        torch.testing.assert_close(one, expected)
    torch.testing.assert_close(standardize_images(0.3 * images + 5), out, atol=1e-4, rtol=1e-4)


def test_an_image_of_one_color_becomes_zero():
    images = torch.full((2, 3, 8, 8), 0.7)
    assert standardize_images(images).abs().max() < 1e-4


@pytest.mark.parametrize('training', [False, True])
def test_the_preprocessor_standardizes_after_it_normalizes(training):
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    settings = dict(mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True)
    plain = FaceDataPreprocessor(**settings)(dict(inputs=images), training)['inputs']
    out = FaceDataPreprocessor(standardize=True, **settings)(dict(inputs=images), training)
    torch.testing.assert_close(out['inputs'], standardize_images(plain))
