# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

from mmpretrain.models import AverageClsScoreTTA
from mmpretrain.structures import DataSample

from mmfer.registry import MODELS


@MODELS.register_module()
class AverageScoresTTA(AverageClsScoreTTA):
    """Average the predictions of a classifier for several views of an image, such as its mirror.

    Probabilities (``pred_score``, after the softmax) are averaged, not logits; ``pred_label`` is
    the most probable class. If present, features for verification (``feat``), probabilities of
    action units (``pred_au``), and valence and arousal (``pred_valence_arousal``) are averaged as
    well. All other fields come from the first view.

    Note:
        mmpretrain's ``AverageClsScoreTTA`` keeps the ``pred_label`` of the first view.

    Args:
        module (dict | nn.Module): The model; each image has one class.
        data_preprocessor (dict, optional): Its data preprocessor. Defaults to the model's own.

    Raises:
        TypeError: The predictions have no class scores, but for instance landmarks, which differ
            in the mirror image.
    """

    def _merge_single_sample(self, data_samples: Sequence[DataSample]) -> DataSample:
        """Merge the predictions of all views of an image, one per view."""
        first = data_samples[0]
        if 'pred_score' not in first:
            predicted = [key for key in first.keys() if key.startswith('pred_')]  # noqa: SIM118
            head = type(getattr(self.module, 'head', None)).__name__
            raise TypeError(
                f'test-time augmentation averages class scores (pred_score), but this model, with '
                f'model.head={head}, predicts {predicted or "none"}; test it without --tta'
            )
        merged = first.new()
        score = sum(sample.pred_score for sample in data_samples) / len(data_samples)
        merged.set_pred_score(score).set_pred_label(score.argmax(dim=0, keepdim=True))
        for key in ('feat', 'pred_au', 'pred_valence_arousal'):
            if key in first:
                mean = sum(sample.get(key) for sample in data_samples) / len(data_samples)
                merged.set_field(mean, key)
        return merged
