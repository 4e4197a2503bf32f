# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable

import torch
from mmengine.structures import BaseDataElement

#: Fields of samples that heads write.
_FIELDS = (
    *('pred_score', 'pred_age', 'pred_landmarks', 'pred_au', 'pred_valence_arousal'),
    'feat',
)


class NonFinitePredictionError(ValueError):
    """Raised if a model predicts NaN or infinity for an image.

    Args:
        image (str): Name of the image.
        field (str): The predicted field, such as ``'pred_score'``.
        index (int): Index of the image in its batch.
    """

    def __init__(self, image: str, field: str, index: int):
        super().__init__(
            f'the model predicts {field} that is not finite for {image}. Its weights have diverged '
            'or overflow in this precision, or the image has NaN or infinite values: use another '
            'checkpoint, or a higher precision'
        )
        self.field, self.index = field, index


def check_predictions(samples: Iterable[BaseDataElement]) -> None:
    """Check that all predictions are finite.

    Args:
        samples (Iterable[BaseDataElement]): The samples of one batch, after the head's ``predict``.

    Raises:
        NonFinitePredictionError: A prediction is not finite; the error names the first image.
    """
    found = [
        (index, field, sample)
        for index, sample in enumerate(samples)
        for field in _FIELDS
        if field in sample
    ]
    # A single check for all, because each one waits for the GPU.
    finite = [torch.as_tensor(sample.get(field)).isfinite().all() for _, field, sample in found]
    if not finite or torch.stack(finite).all():
        return
    index, field, sample = found[[bool(one) for one in finite].index(False)]
    raise NonFinitePredictionError(
        sample.get('img_path', f'image {index} of a batch'), field, index
    )
