# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .mean_class_accuracy import MeanClassAccuracy

__all__ = ['MeanClassAccuracy']
