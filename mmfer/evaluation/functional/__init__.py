# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Metrics as functions of arrays; the classes in ``mmfer.evaluation.metrics`` feed them."""

from .ages import cumulative_score
from .landmarks import area_under_curve, failure_rate, normalised_mean_error
from .verification import (
    RocCurve,
    all_pairs_roc,
    intra_class_variance,
    normalise,
    pairs_roc,
    roc_curve,
)

__all__ = [
    'RocCurve',
    'all_pairs_roc',
    'area_under_curve',
    'cumulative_score',
    'failure_rate',
    'intra_class_variance',
    'normalise',
    'normalised_mean_error',
    'pairs_roc',
    'roc_curve',
]
