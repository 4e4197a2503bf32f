# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from typing import Any

import numpy as np
from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.datasets.transforms.face_geometry import invert, move_points

from .model_runner import ModelRunner

_YEARS, _PIXELS, _SCORES = 2, 3, 6  # decimals


def plain_prediction(
    runner: ModelRunner, sample: DataSample, crop_map: np.ndarray
) -> dict[str, Any]:
    """Turn a prediction into plain values.

    Args:
        runner: The model.
        sample: What it predicted.
        crop_map: The map (2, 3) from the image in which the face was found to what the network saw.

    Returns:
        The arguments of :class:`.FaceResult` that the model decides; points are in pixels of the
        image.
    """
    if runner.task == 'age':
        return dict(age=round(float(sample.pred_age), _YEARS))
    if runner.task == 'landmarks':
        points = sample.pred_landmarks.double().cpu().numpy()
        points = move_points(points, invert(crop_map)).round(_PIXELS)
        return dict(points=tuple(map(tuple, points.tolist())))
    label = int(sample.pred_score.argmax())
    scores = zip(runner.classes, _rounded(sample.pred_score), strict=True)
    result = dict(label=label, class_name=runner.classes[label], scores=dict(scores))
    if runner.action_units:
        units = zip(runner.action_units, _rounded(sample.pred_au), strict=True)
        result['action_units'] = dict(units)
    if 'feat' in sample:
        result['feature'] = _rounded(sample.feat.ravel())
    return result


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, _SCORES) for value in values.double().tolist())
