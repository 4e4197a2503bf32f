# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import torch
from torch import Tensor

#: How the ratio of height to width is drawn.
RATIO_SAMPLINGS = ('uniform', 'log')

# If this many boxes do not fit, the image is not erased.
_ATTEMPTS = 10


def draw_erasing_boxes(
    num: int,
    height: int,
    width: int,
    prob: float,
    area: tuple[float, float],
    ratio: tuple[float, float],
    ratio_sampling: str = 'uniform',
) -> Tensor:
    """Draw a box for each image of a batch.

    The area is uniform in ``area``, height / width is in ``ratio``, and the position is uniform. A
    box that is not smaller than the image in both directions is drawn again, with at most ten
    attempts. All attempts of all images are drawn at once, from PyTorch's global CPU generator.

    Args:
        num (int): Number of images.
        height (int): Height of the images, in pixels.
        width (int): Width of the images, in pixels.
        prob (float): Probability of a box.
        area (tuple[float, float]): Smallest and largest share of the image area.
        ratio (tuple[float, float]): Smallest and largest height / width.
        ratio_sampling (str): See :func:`random_erase`. Defaults to 'uniform'.

    Returns:
        Tensor: (num, 4) int64: top, left, height, width in pixels; all zero for images without box.
    """
    sizes = torch.empty(num, _ATTEMPTS).uniform_(*area) * (height * width)
    if ratio_sampling == 'log':
        ratios = torch.empty(num, _ATTEMPTS).uniform_(*map(math.log, ratio)).exp()
    else:
        ratios = torch.empty(num, _ATTEMPTS).uniform_(*ratio)
    heights = (sizes * ratios).sqrt().round().long()
    widths = (sizes / ratios).sqrt().round().long()
    fits = (heights < height) & (widths < width)
    erase = (torch.rand(num) < prob) & fits.any(dim=1)

    first = fits.int().argmax(dim=1, keepdim=True)  # argmax returns the first of equal values
    heights = heights.gather(1, first).squeeze(1) * erase
    widths = widths.gather(1, first).squeeze(1) * erase
    tops = (torch.rand(num) * (height - heights + 1)).long() * erase
    lefts = (torch.rand(num) * (width - widths + 1)).long() * erase
    return torch.stack([tops, lefts, heights, widths], dim=1)


def random_erase(
    images: Tensor,
    prob: float = 0.5,
    area: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
    ratio_sampling: str = 'uniform',
) -> Tensor:
    """Replace a random box of random images by N(0, 1) noise (Zhong et al., "Random Erasing").

    Images should be normalized, so that the noise has the same statistics. By comparison,
    torchvision's ``RandomErasing`` erases the same box in all images of a batch and always draws
    the ratio on a logarithmic scale.

    Random numbers come from PyTorch's global CPU generator, for images on any device. So a seed
    gives the same boxes and noise on every device, and restoring that generator restores them.
    Noise is drawn for erased pixels only and copied to the device at once.

    Args:
        images (Tensor): (B, C, H, W) floating point, on any device. Not modified.
        prob (float): Probability of erasing, per image. Defaults to 0.5.
        area (tuple[float, float]): Smallest and largest share of the image area. Defaults to
            (0.02, 0.33).
        ratio (tuple[float, float]): Smallest and largest height / width of the box. Defaults to
            (0.3, 3.3).
        ratio_sampling (str): ``'uniform'`` (default): the ratio is uniform in ``ratio``, as in
            APViT's released code; within (0.3, 3.3), three of four boxes are tall. ``'log'``: the
            logarithm of the ratio is uniform, as in torchvision, so as many boxes are wide as tall.

    Returns:
        Tensor: (B, C, H, W), the batch with boxes erased.
    """
    num, channels, height, width = images.shape
    boxes = draw_erasing_boxes(num, height, width, prob, area, ratio, ratio_sampling)
    pixels = int((boxes[:, 2] * boxes[:, 3]).sum())
    noise = torch.randn(pixels * channels).to(images)

    top, left, box_height, box_width = boxes.to(images.device).unbind(dim=1)
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    in_rows = (rows >= top[:, None]) & (rows < (top + box_height)[:, None])  # (B, H)
    in_columns = (columns >= left[:, None]) & (columns < (left + box_width)[:, None])  # (B, W)
    mask = in_rows[:, None, :, None] & in_columns[:, None, None, :]  # (B, 1, H, W)
    return images.masked_scatter(mask, noise)
