# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The cost of a model, counted the way the published figures were.

fvcore's convention: one multiply-accumulate is 1, BatchNorm in eval mode 2 per element, LayerNorm 5
per element, all else 0; batch 1. fvcore does not know fused attention, so its two matrix products
are counted here.
"""

import logging
from dataclasses import dataclass

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

_IGNORED_OPS_LOGGER = 'fvcore.nn.jit_analysis'


@dataclass(frozen=True)
class Cost:
    """What one picture costs.

    Attributes:
        gflops: Multiply-accumulates of one forward pass, in 10^9 (the papers' "GFLOPs").
        params_m: Parameters, in 10^6.
        by_module: GFLOPs of the model's parts, two levels deep. What a part computes without
            calling its children as modules counts for the part itself.
    """

    gflops: float
    params_m: float
    by_module: dict[str, float]


def attention_flops(inputs: list, outputs: list) -> float:
    """Multiply-accumulates of the two products in ``scaled_dot_product_attention``."""
    query, key, value = (tensor.type().sizes() for tensor in inputs[:3])
    *batch, num_queries, channels = query
    pairs = num_queries * key[-2]
    for size in batch:
        pairs *= size
    return pairs * (channels + value[-1])


@torch.no_grad()
def count_cost(model: nn.Module, shape: tuple[int, int]) -> Cost:
    """Count the cost of ``model`` for one picture of ``shape`` = (height, width) pixels.

    The model is put in eval mode and is called with one ``(1, 3, height, width)`` tensor.
    """
    model.eval()
    device = next(model.parameters()).device
    counter = FlopCountAnalysis(model, torch.zeros(1, 3, *shape, device=device))
    counter.set_op_handle('aten::scaled_dot_product_attention', attention_flops)
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    logging.getLogger(_IGNORED_OPS_LOGGER).setLevel(logging.ERROR)
    by_module = counter.by_module()
    return Cost(
        gflops=by_module[''] / 1e9,
        params_m=sum(p.numel() for p in model.parameters()) / 1e6,
        by_module={
            name: flops / 1e9
            for name, flops in by_module.items()
            if flops and name and name.count('.') < 2
        },
    )
