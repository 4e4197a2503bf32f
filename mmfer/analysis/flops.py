# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The cost of a model, as it runs and as counted for the published figures.

Operations are counted as in fvcore: 1 per multiply-accumulate, 2 per element of BatchNorm in eval
mode, 5 per element of LayerNorm, 0 for everything else; the batch size is 1. fvcore does not
support fused attention, so its two matrix products are counted here.

The published figures include computations in transformer blocks whose results are not used: see
:func:`published_block_flops`.
"""

import logging
import math
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from mmfer.models.layers import ATPBlock, EncoderLayer
from mmfer.models.layers.attentive_pooling import keep_count

_IGNORED_OPS_LOGGER = 'fvcore.nn.jit_analysis'


@dataclass(frozen=True)
class Cost:
    """Cost of a forward pass of one image.

    Attributes:
        gflops (float): Multiply-accumulates of one forward pass, in 10^9 (the papers' "GFLOPs").
        params_m (float): Parameters, in 10^6.
        by_module (dict[str, float]): GFLOPs of the submodules, two levels deep. Operations that a
            module runs without calling its children count for the module itself.
    """

    gflops: float
    params_m: float
    by_module: dict[str, float]


def attention_flops(inputs: list, outputs: list) -> float:
    """Count the multiply-accumulates of both products in ``scaled_dot_product_attention``."""
    query, key, value = (tensor.type().sizes() for tensor in inputs[:3])
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def published_block_flops(block: EncoderLayer, num_tokens: int) -> int:
    """Return the cost of a block in the published figures (Tables 1, 2, 13 to 15, Figure 5).

    The figures match the released code. It computes queries, keys, values, attention and output
    projection for all ``T`` tokens, then drops tokens and runs the MLP on the ``n`` kept ones. The
    last block does so, too, although the head reads only one token. With ``C`` channels and ``W``
    weights in the linear layers of attention and MLP, the cost is

    ``5 C (T + n) + W_attention T + 2 T^2 C + W_mlp n``

    for normalization, projections, the two products of attention, and the MLP. If tokens are
    dropped, the score costs another ``(T - 1) C``.

    Args:
        block (EncoderLayer): A block of an :class:`APViT` or a similar backbone.
        num_tokens (int): Number of input tokens ``T``, including [class].
    """
    kept = num_tokens
    if isinstance(block, ATPBlock):
        kept = 1 + keep_count(num_tokens - 1, block.keep_rate)
    channels = block.embed_dims
    flops = 5 * channels * (num_tokens + kept)
    flops += _linear_weights(block.attn) * num_tokens + 2 * num_tokens**2 * channels
    flops += _linear_weights(block.ffn) * kept
    return flops + ((num_tokens - 1) * channels if kept < num_tokens else 0)


def _linear_weights(module: nn.Module) -> int:
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))


def count_cost(model: nn.Module, shape: tuple[int, int]) -> Cost:
    """Count the operations of ``model`` for one image of ``shape`` = (height, width) pixels.

    The model is set to eval mode and called with one ``(1, 3, height, width)`` tensor.
    """
    return _cost(model, _flops_by_module(model, shape))


def count_published_cost(model: nn.Module, shape: tuple[int, int]) -> Cost:
    """Count as :func:`count_cost`, but blocks by :func:`published_block_flops`."""
    blocks = {name: m for name, m in model.named_modules() if isinstance(m, EncoderLayer)}
    counts = {}
    with ExitStack() as hooks:
        for name, block in blocks.items():

            def count_tokens(_, inputs, name=name):
                counts[name] = int(inputs[0].shape[1])

            hooks.enter_context(block.register_forward_pre_hook(count_tokens))
        by_module = _flops_by_module(model, shape)
    for name, num_tokens in counts.items():
        further = published_block_flops(blocks[name], num_tokens) - by_module[name]
        parts = name.split('.')
        for end in range(len(parts) + 1):
            by_module['.'.join(parts[:end])] += further
    return _cost(model, by_module)


@torch.no_grad()
def _flops_by_module(model: nn.Module, shape: tuple[int, int]) -> dict[str, float]:
    model.eval()
    device = next(model.parameters()).device
    counter = FlopCountAnalysis(model, torch.zeros(1, 3, *shape, device=device))
    counter.set_op_handle('aten::scaled_dot_product_attention', attention_flops)
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    logging.getLogger(_IGNORED_OPS_LOGGER).setLevel(logging.ERROR)
    return counter.by_module()


def _cost(model: nn.Module, by_module: dict[str, float]) -> Cost:
    return Cost(
        gflops=by_module[''] / 1e9,
        params_m=sum(p.numel() for p in model.parameters()) / 1e6,
        by_module={
            name: flops / 1e9
            for name, flops in by_module.items()
            if flops and name and name.count('.') < 2
        },
    )
