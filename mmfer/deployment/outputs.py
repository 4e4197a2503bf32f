# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a model answers, as named tensors, and how these become predictions of data samples."""

from collections.abc import Mapping, Sequence

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmfer.models.heads import AgeHead, ExpressionAUHead, LandmarkHead

from .errors import ExportError


def compute_outputs(head: nn.Module, feats: Sequence[Tensor]) -> dict[str, Tensor]:
    """What a head predicts of features, as its ``predict`` does, without data samples.

    Args:
        head: In eval mode.
        feats: What the neck gives, the last item is ``(B, C)``.

    Returns:
        The first decides; by kind of head:

        ================  ========================================================================
        ``scores``        probability of every class, (B, K), and
        ``logits``        the same before the softmax, (B, K)
        ``action_units``  probability of every unit, (B, A), of an ``ExpressionAUHead``
        ``feature``       what faces are compared by, (B, C), of heads with ``with_feat``
        ``age``           years, (B,), within the head's ``age_range``
        ``landmarks``     (B, P, 2), x and y in pixels of the input, first pixel's centre (0, 0)
        ================  ========================================================================

    Raises:
        ExportError: The head is of another kind.
    """
    if isinstance(head, AgeHead):
        return dict(age=head(feats).clamp(*head.age_range))
    if isinstance(head, LandmarkHead):
        return dict(landmarks=head(feats))
    if not isinstance(head, ClsHead):
        raise ExportError(
            f'it is not known what a {type(head).__name__} (model.head) predicts; a head is a '
            'classification head of mmpretrain, an AgeHead or a LandmarkHead'
        )
    logits = head(feats)
    outputs = dict(scores=logits.softmax(dim=1), logits=logits)
    if isinstance(head, ExpressionAUHead):
        outputs['action_units'] = head.fc_au(head.pre_logits(feats)).sigmoid()
    if getattr(head, 'with_feat', False):
        outputs['feature'] = feats[-1]
    return outputs


def store_outputs(outputs: Mapping[str, Tensor], data_samples: Sequence[DataSample]) -> None:
    """Write outputs into data samples, in the fields that a head's ``predict`` writes.

    Args:
        outputs: See :func:`compute_outputs`; ``logits`` are not needed.
        data_samples: As many as there are rows.
    """
    for index, sample in enumerate(data_samples):
        row = {name: torch.as_tensor(value[index]) for name, value in outputs.items()}
        if 'scores' in row:
            sample.set_pred_score(row['scores']).set_pred_label(row['scores'].argmax())
        if 'age' in row:
            sample.set_field(row['age'].item(), 'pred_age')
        for name, field in (
            ('landmarks', 'pred_landmarks'),
            ('action_units', 'pred_au'),
            ('feature', 'feat'),
        ):
            if name in row:
                sample.set_field(row[name], field)
