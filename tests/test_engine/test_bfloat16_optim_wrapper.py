# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from mmfer.engine.optim_wrappers import bfloat16_optim_wrapper as module
from mmfer.registry import OPTIM_WRAPPERS


def test_computes_in_bfloat16_and_keeps_weights_in_float32(monkeypatch):
    monkeypatch.setattr(module, 'has_bfloat16', lambda device: True)
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


@pytest.mark.skipif(torch.cuda.is_available(), reason='the fallback is for CPUs')
def test_computes_in_float32_on_a_cpu_without_bfloat16(monkeypatch):
    monkeypatch.setattr(module, 'has_bfloat16', lambda device: False)
    messages = []
    monkeypatch.setattr(module, 'print_log', lambda text, *_: messages.append(text))
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OPTIM_WRAPPERS.build(dict(type='BFloat16OptimWrapper', optimizer=optimizer))
    with wrapper.optim_context(model):
        assert model(torch.rand(2, 4)).dtype == torch.float32
    assert len(messages) == 1 and 'no bfloat16 instructions' in messages[0]


@pytest.mark.parametrize(
    ('capabilities', 'expected'),
    [
        (dict(avx2=True, avx512_f=True, avx512_bf16=True), True),
        (dict(amx_bf16=True), True),
        (dict(neon=True, bf16=True), True),
        (dict(avx2=True, avx512_f=True, avx512_bf16=False), False),
        (dict(neon=True), False),
    ],
)
def test_has_bfloat16_reads_the_instructions_of_the_cpu(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', lambda: True)
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: capabilities, raising=False)
    assert module.has_bfloat16('cpu') is expected
    assert module.has_bfloat16('cuda:1') is True
    monkeypatch.setattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', lambda: False)
    assert module.has_bfloat16('cpu') is False
