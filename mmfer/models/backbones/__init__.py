# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Backbones: APViT, the CNNs it builds on, and TransFER."""

from .apvit import APViT
from .irnet import IRNet
from .mobilefacenet import MobileFaceNet
from .small_resnet import SmallImageResNet
from .transfer import TransFER

__all__ = ['APViT', 'IRNet', 'MobileFaceNet', 'SmallImageResNet', 'TransFER']
