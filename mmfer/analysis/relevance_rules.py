# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Relevance propagation through single operations (Chefer, Gur and Wolf, CVPR 2021, Sec. 3).

Layer-wise relevance propagation starts with a relevance of 1 at the score of a class and
propagates it backward, operation by operation. Each rule gets the relevance of an output and
returns that of the inputs. The total relevance per sample is conserved, except if nothing
contributes to an output (its total is 0): the relevance of that output is lost.

Activations, normalization, layer scale and the softmax pass relevance on unchanged and need no
rule. Biases get no relevance. The first dimension of every tensor is the batch.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# Keeps quotients finite near 0; the value of the authors' code.
_EPSILON = 1e-9


def divide(relevance: Tensor, total: Tensor) -> Tensor:
    """Return ``relevance / total``, with 0 where ``total`` is 0."""
    quotient = relevance / (total + _EPSILON * total.sign())
    return torch.where(total == 0, 0, quotient)


def through_linear(relevance: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return the relevance of the input of a linear layer by the z+ rule.

    Inputs get relevance in proportion to their positive products ``x * w``, including products of
    two negative numbers.

    Args:
        relevance (Tensor): Relevance of the output, ``(B, ..., O)``.
        x (Tensor): Input, ``(B, ..., I)``.
        weight (Tensor): Weight, ``(O, I)``.

    Returns:
        Relevance of the input, ``(B, ..., I)``.
    """
    pairs = [(x.clamp(min=0), weight.clamp(min=0)), (x.clamp(max=0), weight.clamp(max=0))]
    quotient = divide(relevance, sum(F.linear(*pair) for pair in pairs))
    return sum(part * (quotient @ signed) for part, signed in pairs)


def through_product(relevance: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Return the relevance of both factors of ``left @ right``, half for each.

    Args:
        relevance (Tensor): Relevance of the product, ``(B, ..., I, K)``.
        left (Tensor): ``(B, ..., I, J)``.
        right (Tensor): ``(B, ..., J, K)``.

    Returns:
        Relevance shaped like ``left`` and like ``right``. The rule gives each factor the whole
        relevance of the product, so the paper's normalization (:func:`through_sum`) halves both.
    """
    quotient = divide(relevance, left @ right)
    return left * (quotient @ right.mT) / 2, right * (left.mT @ quotient) / 2


def through_sum(relevance: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return the relevance of both terms of ``one + other``, normalized.

    Terms of opposite signs would get unbounded relevance. Each result is therefore rescaled per
    sample: the two totals add up to the relevance of the sum, and their ratio is that of the
    absolute values of the totals before rescaling.

    Args:
        relevance (Tensor): Relevance of the sum, ``(B, ...)``.
        one (Tensor): ``(B, ...)``.
        other (Tensor): ``(B, ...)``.
    """
    quotient = divide(relevance, one + other)
    parts = [one * quotient, other * quotient]
    dims = tuple(range(1, relevance.ndim))
    sums = [part.sum(dims, keepdim=True) for part in parts]
    whole = relevance.sum(dims, keepdim=True)
    size = sums[0].abs() + sums[1].abs()
    one, other = (
        part * divide(divide(own.abs(), size) * whole, own)
        for part, own in zip(parts, sums, strict=True)
    )
    return one, other
