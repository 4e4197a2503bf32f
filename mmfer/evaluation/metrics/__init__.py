# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Registered metrics for configs."""

from .action_unit_f1 import ActionUnitF1
from .age_error import AgeError
from .calibration_error import CalibrationError
from .ccc import CCC
from .face_verification import FaceVerification
from .labeled_only import LabeledOnly, LabelledOnly
from .landmark_nme import LandmarkNME
from .mean_class_accuracy import MeanClassAccuracy
from .present_classes_metric import PresentClassesMetric

__all__ = [
    'CCC',
    'ActionUnitF1',
    'AgeError',
    'CalibrationError',
    'FaceVerification',
    'LabeledOnly',
    'LabelledOnly',
    'LandmarkNME',
    'MeanClassAccuracy',
    'PresentClassesMetric',
]
