# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .age_head import AgeHead
from .landmark_head import LandmarkHead
from .mlp_cls_head import MLPClsHead
from .regression_head import RegressionHead

__all__ = ['AgeHead', 'LandmarkHead', 'MLPClsHead', 'RegressionHead']
