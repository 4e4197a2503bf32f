# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain.models.utils.data_preprocessor import ClsDataPreprocessor

from mmfer.registry import MODELS

from .random_erasing import RATIO_SAMPLINGS, random_erase
from .standardize import standardize_images


@MODELS.register_module()
class FaceDataPreprocessor(ClsDataPreprocessor):
    """mmpretrain's ``ClsDataPreprocessor`` with optional standardization and random erasing.

    Erasing is the last step of the paper's augmentation, after normalization. Here, unlike in the
    pipeline, it runs on the device, so images stay uint8 until then and the workers of the data
    loader transfer a quarter of the bytes.

    Small nets trained from scratch learn nothing for hundreds of iterations if brightness and
    contrast vary more than the faces. ``standardize`` removes this variation (docs/results.md has
    the numbers).

    Args:
        standardize (bool): Whether to scale each image to mean 0 and standard deviation 1, in
            training and prediction, see :func:`.standardize_images`. Defaults to False.
        erasing (dict, optional): Arguments of :func:`random_erase` (``prob``, ``area``, ``ratio``,
            ``ratio_sampling``). Defaults to None, no erasing.
        **kwargs: Arguments of ``ClsDataPreprocessor``: ``mean``, ``std``, ``to_rgb``, …

    Raises:
        ValueError: A value of ``erasing`` is out of its range.
        TypeError: ``erasing`` has an unknown key.
    """

    def __init__(self, erasing: dict | None = None, standardize: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.standardize = standardize
        self.erasing = None if erasing is None else _checked(**erasing)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data (dict): ``inputs``, (B, 3, H, W) uint8 or a list of (3, H, W), and
                ``data_samples``.
            training (bool): Whether to erase. Defaults to False.

        Returns:
            dict: ``inputs``, (B, 3, H, W) float32 on the device of the model, and ``data_samples``.
        """
        data = super().forward(data, training)
        if self.standardize:
            data['inputs'] = standardize_images(data['inputs'])
        if training and self.erasing is not None:
            data['inputs'] = random_erase(data['inputs'], **self.erasing)
        return data


def _checked(
    prob: float = 0.5,
    area: tuple = (0.02, 0.33),
    ratio: tuple = (0.3, 3.3),
    ratio_sampling: str = 'uniform',
) -> dict:
    key = 'data_preprocessor.erasing'
    if not 0 <= prob <= 1:
        raise ValueError(f'{key}.prob must be in [0, 1], not {prob}')
    if not 0 < area[0] <= area[1] < 1:
        raise ValueError(f'{key}.area must be (low, high) with 0 < low <= high < 1, not {area}')
    if not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f'{key}.ratio must be (low, high) with 0 < low <= high, not {ratio}')
    if ratio_sampling not in RATIO_SAMPLINGS:
        raise ValueError(
            f'{key}.ratio_sampling must be one of {RATIO_SAMPLINGS}, not {ratio_sampling!r}'
        )
    return dict(prob=prob, area=tuple(area), ratio=tuple(ratio), ratio_sampling=ratio_sampling)
