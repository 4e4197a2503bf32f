# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from shipped_configs import read_config
from task_models import SIZE, task_model

from mmfer.benchmark.variants import (
    VARIANTS,
    check_variant,
    make_variant,
    random_inputs,
    time_variants,
)
from mmfer.deployment.untrained import random_model
from mmfer.registry import MODELS

SMALL = 'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px'


@pytest.fixture
def model():
    return random_model(read_config(SMALL))


@pytest.fixture
def inputs():
    return random_inputs(read_config(SMALL), 2)


@pytest.mark.parametrize(
    'name',
    ['plain', 'plain-topk', 'eager', 'fused', 'channels-last', 'fused+channels-last'],
)
@torch.no_grad()
def test_variants_give_the_models_output(name, model, inputs):
    wanted = model(inputs)
    assert wanted.std() > 1e-3
    out = make_variant(name, model, inputs)(inputs)
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=0)


@torch.no_grad()
def test_bfloat16_is_near(model, inputs):
    wanted, out = model(inputs), make_variant('bf16', model, inputs)(inputs)
    assert out.dtype == torch.float32 and not torch.equal(out, wanted)
    # Eight bits of precision, and one or two tokens that are selected differently.
    torch.testing.assert_close(out, wanted, atol=0.1, rtol=0.1)


@torch.no_grad()
def test_the_model_itself_is_not_changed(model, inputs):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    make_variant('plain', model, inputs)
    make_variant('fused+channels-last', model, inputs)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_variants_that_do_not_exist(model, inputs):
    for name in ('fast', 'eager+by-8', 'aot+fused', 'by-8', ''):
        with pytest.raises(ValueError, match='fused\\+channels-last\\+by-8.*aot'):
            check_variant(name)
    assert [check_variant(name) for name in VARIANTS] == list(VARIANTS)
    other = random_model(read_config('deit-micro_1xb16-12e_synthface-64px'))
    with pytest.raises(ValueError, match='APViT with a CNN'):
        make_variant('plain', other, inputs)
    with pytest.raises(ValueError, match='merged or folded'):
        make_variant('fused', other, inputs)


def test_what_is_skipped_has_a_reason(model, inputs):
    config = 'deit-micro_1xb16-12e_synthface-64px'
    other, theirs = random_model(read_config(config)), random_inputs(read_config(config), 2)
    times, skipped = time_variants(
        dict(apvit=model, deit=other), dict(apvit=inputs, deit=theirs), ['plain', 'eager'], 1
    )
    assert list(times) == ['apvit plain', 'apvit eager', 'deit eager']
    assert list(skipped) == ['deit plain'] and 'without a CNN' in skipped['deit plain']


@torch.no_grad()
def test_eight_images_at_a_time(model):
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    inputs = random_inputs(read_config(SMALL), 19)
    out = make_variant('fused+channels-last+by-8', model, inputs)(inputs)
    assert seen == [8, 8, 3]
    torch.testing.assert_close(out, model(inputs), atol=1e-4, rtol=0)


@torch.no_grad()
def test_an_exported_variant_gives_scores():
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    small, inputs = MODELS.build(task_model('expression')).eval(), torch.randn(9, 3, SIZE, SIZE)
    out = make_variant('onnx+by-8', small, inputs)(inputs)
    torch.testing.assert_close(out, small(inputs).softmax(dim=1), atol=1e-4, rtol=0)


def test_a_variant_that_fails_in_its_first_call_is_skipped(model, inputs, monkeypatch):
    """As ``torch.compile`` without a C++ compiler."""

    def fail(_):
        raise RuntimeError('no compiler')

    monkeypatch.setitem(VARIANTS, 'broken', (lambda *_: fail,))
    times, skipped = time_variants(dict(a=model), dict(a=inputs), ['broken', 'eager'], 1, 0)
    assert list(times) == ['eager'] and skipped == dict(broken='no compiler')
