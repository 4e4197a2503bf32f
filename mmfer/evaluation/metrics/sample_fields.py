# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Collection, Mapping

import numpy as np
import torch

from ..finite_predictions import NonFinitePredictionError

_HINTS = {
    'gt_age': "pack it: dict(type='PackInputs', algorithm_keys=('gt_age',))",
    'gt_landmarks': "pack them: dict(type='PackInputs', algorithm_keys=('gt_landmarks',))",
    'gt_label': 'the dataset must have a gt_label for every sample (set its argument task)',
    'gt_au': "pack it: dict(type='PackInputs', algorithm_keys=('gt_au',))",
    'gt_valence_arousal': "pack it: dict(type='PackInputs', "
    "algorithm_keys=('gt_valence_arousal',))",
    'pred_score': 'predicted by classification heads, such as LinearClsHead',
    'pred_au': "predicted by model.head=dict(type='ExpressionAUHead', ...)",
    'pred_valence_arousal': "predicted by model.head=dict(type='ValenceArousalHead', ...)",
    'pred_age': "predicted by model.head=dict(type='AgeHead', ...)",
    'pred_landmarks': "predicted by model.head=dict(type='LandmarkHead', ...)",
    'feat': "set model.head=dict(type='MLPClsHead', with_feat=True, ...)",
    'img_path': "pack it: 'img_path' is among the default meta_keys of PackInputs",
}


def read_field(metric: object, sample: Mapping, key: str) -> np.ndarray:
    """Return a number, array or tensor of a data sample as an array.

    Args:
        metric (object): The metric; errors name its class.
        sample (Mapping): A data sample from the evaluator, a dict.
        key (str): The field.

    Raises:
        ValueError: The sample has no such field. The message says where the field comes from.
        NonFinitePredictionError: The field is a prediction and is not finite.
    """
    if key not in sample:
        raise ValueError(
            f'{type(metric).__name__} needs {key}, but the sample {name_of(sample)} has none: '
            f'{_HINTS[key]}'
        )
    value = sample[key]
    value = value.detach().float().cpu().numpy() if torch.is_tensor(value) else np.asarray(value)
    if not key.startswith(('gt_', 'img_')) and not np.isfinite(value).all():
        raise NonFinitePredictionError(f'the sample {name_of(sample)}', key, 0)
    return value


def name_of(sample: Mapping) -> str:
    """Return the name of a sample for error messages."""
    return sample.get('img_path', 'without img_path')


def check_names(key: str, names: Collection, count: int) -> None:
    """Check that a list of names in the dataset's ``metainfo`` fits the samples.

    Args:
        key (str): Key of the list in ``metainfo``.
        names (Collection): The names.
        count (int): Number of values in each sample.

    Raises:
        ValueError: The list has another length.
    """
    if len(names) != count:
        raise ValueError(
            f"the dataset's metainfo has {len(names)} {key}, but its samples have {count} values"
        )
