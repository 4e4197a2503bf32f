# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable

import torch
from mmengine.structures import BaseDataElement

#: What heads write into samples.
_FIELDS = (
    *('pred_score', 'pred_age', 'pred_landmarks', 'pred_au', 'pred_valence_arousal'),
    'feat',
)


class NonFinitePredictionError(ValueError):
    """A model answered an image with NaN or infinity, so no class can be named.

    Args:
        image (str): What the image is called.
        field (str): What was predicted, such as ``'pred_score'``.
        index (int): Number of the image in its batch.
    """

    def __init__(self, image: str, field: str, index: int):
        super().__init__(
            f'the model answers {image} with {field} that is not finite. Its weights have diverged '
            'or overflow in this precision, or the image holds what is not a number: use another '
            'checkpoint, or a higher precision'
        )
        self.field, self.index = field, index


def check_predictions(samples: Iterable[BaseDataElement]) -> None:
    """Check that what a model predicted is finite.

    Args:
        samples (Iterable[BaseDataElement]): Of one batch, with what a head's ``predict`` wrote.

    Raises:
        NonFinitePredictionError: Something is not; it names the first image.
    """
    found = [
        (index, field, sample)
        for index, sample in enumerate(samples)
        for field in _FIELDS
        if field in sample
    ]
    # Together, because a GPU is waited for at each question.
    finite = [torch.as_tensor(sample.get(field)).isfinite().all() for _, field, sample in found]
    if not finite or torch.stack(finite).all():
        return
    index, field, sample = found[[bool(one) for one in finite].index(False)]
    raise NonFinitePredictionError(
        sample.get('img_path', f'image {index} of a batch'), field, index
    )
