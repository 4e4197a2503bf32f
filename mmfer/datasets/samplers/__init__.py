# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .class_balanced_sampler import ClassBalancedSampler

__all__ = ['ClassBalancedSampler']
