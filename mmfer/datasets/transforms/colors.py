# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Color changes of an image.

All functions take an image (H, W, 3), uint8 in BGR, do not modify it, and return one of the same
shape and type.

``channel_order`` says how the first and the last channel are interpreted. ``'bgr'`` is correct.
With ``'bgr_as_rgb'`` red and blue are swapped, as in APViT's released code, which passes its BGR
arrays to functions for RGB: gray is 0.299 B + 0.587 G + 0.114 R, and hue turns in the other
direction.
"""

import cv2
import numpy as np

# To gray, to HSV with a hue of 0..255 for the whole circle, and back.
_CODES = {
    'bgr': (cv2.COLOR_BGR2GRAY, cv2.COLOR_BGR2HSV_FULL, cv2.COLOR_HSV2BGR_FULL),
    'bgr_as_rgb': (cv2.COLOR_RGB2GRAY, cv2.COLOR_RGB2HSV_FULL, cv2.COLOR_HSV2RGB_FULL),
}


def check_channel_order(owner: object, channel_order: str) -> str:
    """Return ``channel_order``, or raise a ValueError in the name of ``owner``."""
    if channel_order not in _CODES:
        raise ValueError(
            f'{type(owner).__name__}: channel_order must be one of {tuple(_CODES)}, not '
            f'{channel_order!r}'
        )
    return channel_order


def shift_hue(image: np.ndarray, shift: float, channel_order: str = 'bgr') -> np.ndarray:
    """Rotate the hue by a share of the full circle, in [-0.5, 0.5]."""
    _, to_hsv, from_hsv = _CODES[channel_order]
    hsv = cv2.cvtColor(image, to_hsv)
    steps = int(shift * 255) % 256
    hsv[..., 0] += np.uint8(steps)  # uint8 wraps around, as the circle does
    return cv2.cvtColor(hsv, from_hsv)


def blend(image: np.ndarray, factor: float, gray: int) -> np.ndarray:
    """Move all values away from a gray level (factor above 1) or towards it (below 1).

    With black this is mmcv's ``adjust_brightness``, with the image's mean gray its
    ``adjust_contrast``, bit for bit, but computed for 256 values instead of every pixel.

    Args:
        image (np.ndarray): (H, W, 3) uint8.
        factor (float): 0 or more.
        gray (int): 0 to 255.
    """
    values = np.arange(256, dtype=np.float32)
    moved = cv2.addWeighted(values, factor, np.full_like(values, gray), 1 - factor, 0)
    return cv2.LUT(image, np.clip(moved, 0, 255).astype(np.uint8))


def gray_channels(image: np.ndarray, channel_order: str = 'bgr') -> np.ndarray:
    """Return the gray image, in three equal channels."""
    return cv2.cvtColor(cv2.cvtColor(image, _CODES[channel_order][0]), cv2.COLOR_GRAY2BGR)


def mean_gray(image: np.ndarray, channel_order: str = 'bgr') -> int:
    """Return the mean gray level of an image, the reference of its contrast."""
    gray = cv2.cvtColor(image, _CODES[channel_order][0])
    return round(cv2.sumElems(gray)[0] / gray.size)


def saturate(image: np.ndarray, factor: float, channel_order: str = 'bgr') -> np.ndarray:
    """Move all colors away from the gray image (factor above 1) or towards it (below 1).

    With ``'bgr'`` this is mmcv's ``adjust_color``, bit for bit, in a third of the time.
    """
    return cv2.addWeighted(image, factor, gray_channels(image, channel_order), 1 - factor, 0)
