# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from torch import nn

from mmfer.registry import OPTIM_WRAPPERS


def test_computes_in_bfloat16_and_keeps_weights_in_float32():
    model = nn.Linear(4, 3).to('cuda' if torch.cuda.is_available() else 'cpu')
    inputs = torch.rand(2, 4, device=model.weight.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OPTIM_WRAPPERS.build(dict(type='BFloat16OptimWrapper', optimizer=optimizer))
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        output = model(inputs)
    assert output.dtype == torch.bfloat16
    wrapper.backward(output.float().square().mean())
    assert model.weight.dtype == model.weight.grad.dtype == torch.float32
    wrapper.step()
    assert not torch.equal(model.weight, before)

    reference = nn.functional.linear(inputs, before)
    shifted = nn.functional.linear(inputs.bfloat16(), before.bfloat16()).float()
    assert (shifted - reference).abs().max() < 0.03
    assert model(inputs).dtype == torch.float32
