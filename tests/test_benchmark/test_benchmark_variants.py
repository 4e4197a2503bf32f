# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from shipped_configs import read_config

from mmfer.benchmark.models import random_model, random_pictures, time_variants
from mmfer.benchmark.variants import UnavailableError, check_variant, make_variant

SMALL = 'apvit_ir18-vit-tiny_1xb16-12e_synthface-64px'


@pytest.fixture
def model():
    return random_model(read_config(SMALL))


@pytest.fixture
def pictures():
    return random_pictures(read_config(SMALL), 2)


@pytest.mark.parametrize(
    'name',
    ['plain', 'plain-topk', 'eager', 'fused', 'channels-last', 'fused+channels-last', 'eager+by-8'],
)
@torch.no_grad()
def test_variants_give_the_models_output(name, model, pictures):
    wanted = model(pictures)
    assert wanted.std() > 1e-3
    out = make_variant(name, model, pictures)(pictures)
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=0)


@torch.no_grad()
def test_bfloat16_is_near(model, pictures):
    wanted, out = model(pictures), make_variant('bf16', model, pictures)(pictures)
    assert out.dtype == torch.float32 and not torch.equal(out, wanted)
    # Eight bits of precision, and a token or two that are chosen otherwise.
    torch.testing.assert_close(out, wanted, atol=0.1, rtol=0.1)


@torch.no_grad()
def test_the_model_itself_stays_as_it_is(model, pictures):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    make_variant('plain', model, pictures)
    make_variant('fused+channels-last', model, pictures)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_variants_that_do_not_exist(model, pictures):
    for name in ('fast', 'fused+fast', 'fused+onnx', 'aot+fused', 'by-8', 'by-8+eager', ''):
        with pytest.raises(ValueError, match='cannot be a step'):
            check_variant(name)
    for name in ('onnx', 'aot', 'onnx+by-8', 'fused+compiled+by-8'):
        assert check_variant(name) == name
    other = random_model(read_config('deit-micro_1xb16-12e_synthface-64px'))
    with pytest.raises(UnavailableError, match='APViT with a CNN'):
        make_variant('plain', other, pictures)


def test_what_is_left_out_has_a_reason(model, pictures):
    config = 'deit-micro_1xb16-12e_synthface-64px'
    other, theirs = random_model(read_config(config)), random_pictures(read_config(config), 2)
    times, left_out = time_variants(
        dict(apvit=model, deit=other), dict(apvit=pictures, deit=theirs), ['plain', 'eager'], 1
    )
    assert list(times) == ['apvit plain', 'apvit eager', 'deit eager']
    assert list(left_out) == ['deit plain'] and 'without a CNN' in left_out['deit plain']


@torch.no_grad()
def test_eight_pictures_at_a_time(model):
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    pictures = random_pictures(read_config(SMALL), 19)
    out = make_variant('eager+by-8', model, pictures)(pictures)
    assert seen == [8, 8, 3]
    torch.testing.assert_close(out, model(pictures), atol=1e-5, rtol=0)


def test_random_model_needs_no_files_and_is_the_same_each_time():
    cfg = read_config('apvit_ir18-vit-tiny_1xb16-12e_synthface-64px')
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='nowhere.pth')
    first, second = (random_model(cfg).state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert cfg.model.backbone.init_cfg.checkpoint == 'nowhere.pth'
