# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Losses for age, landmarks, valence and arousal."""

from .ccc_loss import CCCLoss, concordance_correlation
from .l1_loss import L1Loss
from .mse_loss import MSELoss
from .regression_loss import RegressionLoss
from .smooth_l1_loss import SmoothL1Loss
from .wing_loss import WingLoss, wing

__all__ = [
    'CCCLoss',
    'L1Loss',
    'MSELoss',
    'RegressionLoss',
    'SmoothL1Loss',
    'WingLoss',
    'concordance_correlation',
    'wing',
]
