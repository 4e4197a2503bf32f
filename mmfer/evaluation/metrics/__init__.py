# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .age_error import AgeError
from .face_verification import FaceVerification
from .landmark_nme import LandmarkNME
from .mean_class_accuracy import MeanClassAccuracy

__all__ = ['AgeError', 'FaceVerification', 'LandmarkNME', 'MeanClassAccuracy']
