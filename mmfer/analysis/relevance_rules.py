# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How relevance goes back through one operation (Chefer, Gur and Wolf, CVPR 2021, Sec. 3).

Layer-wise relevance propagation starts with a relevance of 1 at the score of a class and hands it
back, operation by operation, to what the operation was computed from. Each rule takes the relevance
of an output and returns that of the inputs. All hand on as much as they get, sample by sample. Only
where nothing adds up to an output, its relevance has nobody to go to and is lost.

Activations, normalization, layer scale and the softmax hand relevance on as it is; they need no
rule. Biases get none. The first dimension of every tensor is the batch.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# Keeps a quotient finite next to 0; that of the authors' code.
_EPSILON = 1e-9


def divide(relevance: Tensor, total: Tensor) -> Tensor:
    """``relevance / total``, and 0 where ``total`` is 0."""
    quotient = relevance / (total + _EPSILON * total.sign())
    return torch.where(total == 0, 0, quotient)


def through_linear(relevance: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Relevance of the input of a linear layer: the z+ rule, in proportion to what adds up.

    Only products ``x * w`` above 0 count, also those of two negative numbers.

    Args:
        relevance (Tensor): Of the output, ``(B, ..., O)``.
        x (Tensor): The input ``(B, ..., I)``.
        weight (Tensor): ``(O, I)``.

    Returns:
        ``(B, ..., I)``.
    """
    pairs = [(x.clamp(min=0), weight.clamp(min=0)), (x.clamp(max=0), weight.clamp(max=0))]
    quotient = divide(relevance, sum(F.linear(*pair) for pair in pairs))
    return sum(part * (quotient @ signed) for part, signed in pairs)


def through_product(relevance: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Relevance of both factors of ``left @ right``, half for each.

    Args:
        relevance (Tensor): Of the product, ``(B, ..., I, K)``.
        left (Tensor): ``(B, ..., I, J)``.
        right (Tensor): ``(B, ..., J, K)``.

    Returns:
        Relevance shaped as ``left`` and as ``right``. Each gets as much as the product has by the
        rule, so the paper's normalization (:func:`through_sum`) comes to a half.
    """
    quotient = divide(relevance, left @ right)
    return left * (quotient @ right.mT) / 2, right * (left.mT @ quotient) / 2


def through_sum(relevance: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Relevance of both terms of ``one + other``, normalized.

    Terms of opposite signs would get relevance without bounds. Each term is therefore scaled so
    that what the two get, summed over a sample, stands in the ratio of the sums' absolute values
    and adds up to the relevance of the sum.

    Args:
        relevance (Tensor): Of the sum, ``(B, ...)``.
        one (Tensor): ``(B, ...)``.
        other (Tensor): The same.
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
