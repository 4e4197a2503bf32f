# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F

from mmfer.models.layers.dot_product_attention import dot_product_attention


def draw(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, 3, 9, 8, generator=generator).to(dtype).requires_grad_() for _ in range(3)
    ]


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('scale', [None, 0.1])
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float32, 1e-6), (torch.bfloat16, 2**-6)])
def test_the_values_and_gradients_of_pytorch(dtype, tolerance, scale, masked):
    mask = None
    if masked:
        mask = torch.rand(2, 1, 1, 9, generator=torch.Generator().manual_seed(1)) < 0.7
        mask[..., 0] = True
    ours, exact = draw(dtype), [t.detach().double().requires_grad_() for t in draw(dtype)]
    out = dot_product_attention(*ours, attn_mask=mask, scale=scale)
    want = F.scaled_dot_product_attention(*exact, mask, scale=scale)
    out.double().square().sum().backward()
    want.square().sum().backward()
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), want, atol=tolerance, rtol=tolerance)
    for mine, theirs in zip(ours, exact, strict=True):
        torch.testing.assert_close(mine.grad.double(), theirs.grad, atol=4 * tolerance, rtol=0.05)


def test_dropout_keeps_the_mean():
    query, key, value = (torch.zeros(1, 1, 4000, 8, dtype=torch.bfloat16) for _ in range(3))
    query.requires_grad_()
    torch.manual_seed(0)
    out = dot_product_attention(query[:, :, :50], key, value + 1, dropout_p=0.25).detach()
    assert out.std() > 0
    assert out.float().mean() == pytest.approx(1, abs=0.02)
