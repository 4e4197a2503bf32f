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

    In this package's registry it takes the name of mmpretrain's, which is there still as
    ``mmpretrain.PackInputs``. Colors of an image are put one after the other, (3, H, W), by
    OpenCV, which takes a third of PyTorch's time.
    """

    @staticmethod
    def format_input(input_: Any) -> Any:
        """Make a tensor of an image.

        Args:
            input_ (Any): (H, W, 3) uint8, or whatever else mmpretrain's ``PackInputs`` takes.

        Returns:
            (3, H, W) uint8, or what mmpretrain's makes of it.
        """
        if isinstance(input_, list):
            return [PackInputs.format_input(item) for item in input_]
        is_image = isinstance(input_, np.ndarray) and input_.ndim == 3
        if not is_image or input_.dtype != np.uint8 or input_.shape[2] != 3:
            return transforms.PackInputs.format_input(input_)
        planes = np.empty((3, *input_.shape[:2]), np.uint8)
        cv2.split(input_, list(planes))
        return torch.from_numpy(planes)
