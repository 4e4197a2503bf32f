# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from tiny_apvit import ARCH

from mmfer.models import APViT, IRNet
from mmfer.models.pretrained_init import PretrainedInit

SMALL = dict(depth=18, num_stages=2, base_channels=2)


def net_from(path, **arguments) -> IRNet:
    return IRNet(**SMALL, init_cfg=dict(type='Pretrained', checkpoint=str(path), **arguments))


def test_loads_a_file_and_a_part_of_a_file(tmp_path):
    source = IRNet(**SMALL)
    state = source.state_dict()
    torch.save(state, tmp_path / 'bare.pth')
    whole = {f'backbone.cnn.{k}': v for k, v in state.items()}
    torch.save(dict(state_dict=whole), tmp_path / 'whole.pth')
    for net in (
        net_from(tmp_path / 'bare.pth'),
        net_from(tmp_path / 'whole.pth', prefix='backbone.cnn.'),
        net_from(tmp_path / 'whole.pth', prefix='backbone.cnn'),
    ):
        net.init_weights()
        assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize('kind', ['Pretrained', 'mmfer.Pretrained', PretrainedInit])
def test_loaded_weights_stay_whatever_the_spelling(tmp_path, kind):
    settings = dict(arch=ARCH, img_size=16, patch_size=4)
    source = APViT(**settings).state_dict()
    torch.save(source, tmp_path / 'a.pth')
    net = APViT(**settings, init_cfg=dict(type=kind, checkpoint=str(tmp_path / 'a.pth')))
    net.init_weights()
    assert all(torch.equal(value, source[name]) for name, value in net.state_dict().items())


def test_leaves_a_part_of_a_file_out(tmp_path):
    source = IRNet(**SMALL)
    torch.save({f'backbone.{k}': v for k, v in source.state_dict().items()}, tmp_path / 'net.pth')
    net = net_from(tmp_path / 'net.pth', prefix='backbone.', exclude='stem.')
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.init_weights()
    taken = {k for k, v in net.state_dict().items() if torch.equal(v, source.state_dict()[k])}
    convolutions = {k for k in before if k.endswith('conv1.weight')}
    assert convolutions and convolutions <= taken
    stem = [k for k, v in before.items() if k.startswith('stem.') and v.ndim == 4]
    assert stem and not taken & {*stem}


def test_a_file_of_another_model_is_an_error(tmp_path):
    torch.save({'features.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='features.weight'):
        net_from(tmp_path / 'other.pth').init_weights()


def test_a_file_of_which_nothing_fits_is_an_error(tmp_path):
    """Matching names are not enough: other shapes are not loaded."""
    state = {key: torch.zeros(99) for key in IRNet(**SMALL).state_dict()}
    torch.save(state, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='99'):
        net_from(tmp_path / 'other.pth').init_weights()


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite_are_an_error(tmp_path, value):
    state = IRNet(**SMALL).state_dict()
    state['stem.1.running_var'][0] = value
    torch.save(state, tmp_path / 'net.pth')
    with pytest.raises(ValueError, match='net.pth.*stem.1.running_var'):
        net_from(tmp_path / 'net.pth').init_weights()


def test_a_compiled_net_is_the_net(tmp_path):
    state = IRNet(**SMALL).state_dict()
    torch.save({f'_orig_mod.{key}': value for key, value in state.items()}, tmp_path / 'net.pth')
    net = net_from(tmp_path / 'net.pth')
    net.init_weights()
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    ('allow_missing', 'change', 'message'),
    [
        (None, lambda state: state.pop('stem.0.weight'), None),
        ((), lambda state: None, None),
        ((), lambda state: state.pop('stem.0.weight'), 'model only: stem.0.weight'),
        (['stages.'], lambda state: state.pop('stem.0.weight'), 'model only: stem.0.weight'),
        (['stem.'], lambda state: state.pop('stem.0.weight'), None),
        (['stem.'], lambda state: state.update(extra=torch.ones(1)), 'checkpoint only: extra'),
        (['stem.'], lambda state: state.update({'stem.0.weight': torch.ones(9)}), 'another shape'),
    ],
)
def test_allow_missing_lists_what_a_file_may_lack(tmp_path, allow_missing, change, message):
    state = IRNet(**SMALL).state_dict()
    change(state)
    torch.save(state, tmp_path / 'net.pth')
    net = net_from(tmp_path / 'net.pth', allow_missing=allow_missing)
    if message is None:
        net.init_weights()
        assert torch.equal(net.state_dict()['stem.1.weight'], state['stem.1.weight'])
    else:
        with pytest.raises(ValueError, match=f'{message}(.|\n)*init_cfg.allow_missing'):
            net.init_weights()


def test_allow_missing_must_be_a_list():
    with pytest.raises(TypeError, match='allow_missing'):
        PretrainedInit('net.pth', allow_missing='stem.')


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent.pth.*init_cfg=None'):
        net_from(tmp_path / 'absent.pth').init_weights()
