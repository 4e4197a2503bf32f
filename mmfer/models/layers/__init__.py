# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Layers of the backbones and the adapter: pooling, attention, knowledge transfer."""

from .atp_block import ATPBlock
from .attentive_patch_pooling import AttentivePatchPooling
from .encoder_layer import EncoderLayer
from .knowledge_transfer import KnowledgeTransfer
from .lanet import LANet
from .local_attention import LocalAttention

__all__ = [
    'ATPBlock',
    'AttentivePatchPooling',
    'EncoderLayer',
    'KnowledgeTransfer',
    'LANet',
    'LocalAttention',
]
