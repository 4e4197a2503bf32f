# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Heads for expressions, action units, valence and arousal, age and landmarks."""

from .age_head import AgeHead
from .expression_au_head import ExpressionAUHead
from .landmark_head import LandmarkHead
from .mlp_cls_head import MLPClsHead
from .regression_head import RegressionHead
from .valence_arousal_head import ValenceArousalHead

__all__ = [
    'AgeHead',
    'ExpressionAUHead',
    'LandmarkHead',
    'MLPClsHead',
    'RegressionHead',
    'ValenceArousalHead',
]
