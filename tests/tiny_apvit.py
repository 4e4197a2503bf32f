# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""An APViT with 16 patches, small enough to be recomputed step by step."""

import copy

import torch

from mmfer.registry import MODELS

ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=24)


def tiny_backbone(**arguments):
    """Build an APViT in eval mode whose tokens and attention are not uniform."""
    settings = dict(type='APViT', arch=ARCH, img_size=32, patch_size=8)
    model = MODELS.build(copy.deepcopy(dict(settings, **arguments))).eval()
    with torch.no_grad():
        for layer in model.layers:
            layer.attn.qkv.weight.mul_(4)
        model.pos_embed.normal_()
        model.cls_token.normal_()
    return model
