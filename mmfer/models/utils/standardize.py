# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from torch import Tensor


def standardize_images(images: Tensor) -> Tensor:
    """Scale each image to mean 0 and standard deviation 1 over all of its pixels and channels.

    The standard deviation is clamped to at least ``1 / sqrt(number of values)``, as in TensorFlow's
    ``per_image_standardization``; so a constant image becomes 0.

    Args:
        images (Tensor): ``(B, C, H, W)`` floating point.

    Returns:
        Tensor: Same shape.
    """
    values = images.flatten(1)
    deviation = values.std(1, unbiased=False).clamp(min=values.shape[1] ** -0.5)
    return ((values - values.mean(1, keepdim=True)) / deviation[:, None]).view_as(images)
