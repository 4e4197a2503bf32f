# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmpretrain.models.utils.data_preprocessor import ClsDataPreprocessor
from torchvision.transforms import RandomErasing

from mmfer.registry import MODELS


@MODELS.register_module()
class FaceDataPreprocessor(ClsDataPreprocessor):
    """mmpretrain's ``ClsDataPreprocessor``, and random erasing of the normalised batch in training.

    Erasing (Zhong et al., "Random Erasing") replaces a random box of random images by N(0, 1)
    noise, as torchvision's ``RandomErasing`` does. It is the last step of the paper's augmentation
    and comes after normalisation, so that the noise has the statistics of the images. Doing it here
    rather than in the pipeline keeps the images uint8 until they are on the device: the data
    loader's workers then hand over a quarter of the bytes. Random numbers come from PyTorch's
    global CPU generator wherever the images are: a seed means the same boxes and noise everywhere.

    Args:
        erasing: None for no erasing (default), or a dict of ``prob``, the probability of erasing,
            per image (default 0.5); ``area``, the least and largest share of the image's area
            (default (0.02, 0.33)); and ``ratio``, the least and largest height / width of the box
            (default (0.3, 3.3)).
        **kwargs: Arguments of ``ClsDataPreprocessor``: ``mean``, ``std``, ``to_rgb``, …

    Raises:
        ValueError: A value of ``erasing`` is out of its range.
        TypeError: ``erasing`` has an unknown key.
    """

    def __init__(self, erasing: dict | None = None, **kwargs):
        super().__init__(**kwargs)
        self.erasing = None if erasing is None else _build_erasing(**erasing)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data: ``inputs``, (B, 3, H, W) uint8 or a list of (3, H, W), and ``data_samples``.
            training: Whether to erase. Default False.

        Returns:
            ``inputs``, (B, 3, H, W) float32 on the model's device, and ``data_samples``.
        """
        data = super().forward(data, training)
        if training and self.erasing is not None:
            data['inputs'] = torch.stack([self.erasing(image) for image in data['inputs']])
        return data


def _build_erasing(
    prob: float = 0.5, area: tuple = (0.02, 0.33), ratio: tuple = (0.3, 3.3)
) -> RandomErasing:
    key = 'data_preprocessor.erasing'
    if not 0 <= prob <= 1:
        raise ValueError(f'{key}.prob must be in [0, 1], not {prob}')
    if not 0 < area[0] <= area[1] < 1:
        raise ValueError(f'{key}.area must be (low, high) with 0 < low <= high < 1, not {area}')
    if not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f'{key}.ratio must be (low, high) with 0 < low <= high, not {ratio}')
    return RandomErasing(prob, tuple(area), tuple(ratio), value='random')
