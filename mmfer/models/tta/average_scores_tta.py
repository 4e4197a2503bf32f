# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

from mmpretrain.models import AverageClsScoreTTA
from mmpretrain.structures import DataSample

from mmfer.registry import MODELS


@MODELS.register_module()
class AverageScoresTTA(AverageClsScoreTTA):
    """Average what a classifier says of several views of an image, such as its mirror image.

    The mean is that of the probabilities (``pred_score``, after the softmax), not of the logits;
    ``pred_label`` is the class where it is greatest. Features for verification (``feat``)
    the probabilities of action units (``pred_au``), and valence and arousal are averaged as well,
    if there. All else is taken from the first view.

    Note:
        mmpretrain's ``AverageClsScoreTTA`` leaves ``pred_label`` as it was for the first view.

    Args:
        module (dict | nn.Module): The model; each image has one class.
        data_preprocessor (dict, optional): Its data preprocessor. Defaults to the model's own.

    Raises:
        TypeError: The model's predictions have no class scores: an age or landmarks, of which those
            of the mirror image are others.
    """

    def _merge_single_sample(self, data_samples: Sequence[DataSample]) -> DataSample:
        """Merge the predictions for the views of an image, one each."""
        first = data_samples[0]
        if 'pred_score' not in first:
            predicted = [key for key in first.keys() if key.startswith('pred_')]  # noqa: SIM118
            head = type(getattr(self.module, 'head', None)).__name__
            raise TypeError(
                f'test-time augmentation averages class scores (pred_score), and this model, with '
                f'model.head={head}, predicts {predicted or "nothing like that"}; test it without '
                '--tta'
            )
        merged = first.new()
        score = sum(sample.pred_score for sample in data_samples) / len(data_samples)
        merged.set_pred_score(score).set_pred_label(score.argmax(dim=0, keepdim=True))
        for key in ('feat', 'pred_au', 'pred_valence_arousal'):
            if key in first:
                mean = sum(sample.get(key) for sample in data_samples) / len(data_samples)
                merged.set_field(mean, key)
        return merged
