# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from mmfer.checkpoint.state_dicts import as_loaded, check_numbers, compare_state_dicts, unwrap


def test_counts_names_shapes_and_numbers():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).state_dict()
    checkpoint = dict(model)
    del checkpoint['1.num_batches_tracked']  # torch < 0.4.1 did not save it
    del checkpoint['0.bias']
    checkpoint['2.weight'] = torch.zeros(7, 4)
    checkpoint['fc.weight'] = torch.zeros(1)
    report = compare_state_dicts(model, checkpoint)
    assert report.missing == ['0.bias']
    assert report.unexpected == ['fc.weight']
    assert report.reshaped == ['2.weight (model (2, 4), checkpoint (7, 4))']
    assert len(report.matched) == 6
    # 12 + 4*4 + 2 of 12 + 4 + 4*4 + 8 + 2 numbers
    assert report.share == 30 / 42
    assert 'in the model only: 0.bias' in report.details(5)


def test_long_lists_are_cut():
    model = {f'layer{i}': torch.zeros(1) for i in range(8)}
    report = compare_state_dicts(model, {})
    assert report.share == 0
    assert report.details(2) == '  in the model only: layer0, layer1, and 6 more'


def test_everything_fits():
    weights = nn.Linear(2, 2).state_dict()
    report = compare_state_dicts(weights, weights)
    assert report.share == 1 and report.details(5) == ''


def test_the_counter_of_batches_may_be_missing():
    model = nn.BatchNorm1d(4).state_dict()
    checkpoint = {name: value for name, value in model.items() if 'num_batches' not in name}
    assert compare_state_dicts(model, checkpoint).share == 1


def test_the_share_is_rounded_down():
    model = {'a': torch.zeros(9999), 'b': torch.zeros(1)}
    assert '(99.9% of the model)' in str(compare_state_dicts(model, {'a': torch.zeros(9999)}))


def test_values_that_are_not_tensors_do_not_match():
    report = compare_state_dicts({'a': torch.tensor(1.0)}, {'a': 'one'})
    assert report.reshaped == ['a (model (), checkpoint str)'] and not report.matched


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_numbers_that_are_not_finite(value):
    weights = nn.BatchNorm1d(3).state_dict()
    check_numbers(weights)
    weights['running_var'][1] = value
    with pytest.raises(ValueError, match='in 1 weights, such as running_var'):
        check_numbers(weights)
    check_numbers(weights, ['weight', 'num_batches_tracked'])


@pytest.mark.parametrize('dtype', ['int64', 'bool', 'float16', 'bfloat16', 'complex64'])
def test_numbers_of_any_type(dtype):
    check_numbers({'a': torch.ones(3, dtype=getattr(torch, dtype)), 'note': 'text'})
    if hasattr(torch, 'float8_e5m2'):
        with pytest.raises(ValueError, match='a'):
            check_numbers({'a': torch.tensor([torch.inf]).to(torch.float8_e5m2)})


@pytest.mark.parametrize(
    'name',
    ['a.b', 'module.a.b', '_orig_mod.a.b', 'module._orig_mod.a.b', '_orig_mod.module.a.b'],
)
def test_wrapper_prefixes_are_removed(name):
    assert list(unwrap({name: torch.zeros(1)})) == ['a.b']


def test_prefixes_of_compiled_modules_are_removed():
    names = ('a._orig_mod.b', 'a._orig_mod.c._orig_mod.d', 'a.module.b2', 'my_orig_mod.b')
    expected = ['a.b', 'a.c.d', 'a.module.b2', 'my_orig_mod.b']
    assert list(unwrap(dict.fromkeys(names, torch.zeros(1)))) == expected
    twice = dict.fromkeys(('a', '_orig_mod.a'), torch.zeros(1))
    with pytest.raises(ValueError, match='twice'):
        unwrap(twice)


class Grid(nn.Module):
    """Accepts position embeddings of any length, like backbones."""

    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(4))
        self._register_load_state_dict_pre_hook(self.resize)

    def resize(self, state_dict, prefix, *_):
        given = state_dict[f'{prefix}pos_embed']
        if len(given) % 2:
            raise RuntimeError('odd')
        state_dict[f'{prefix}pos_embed'] = given[:4]


def test_weights_are_resized_as_the_model_does():
    model = nn.Sequential(Grid())
    given = {'0.pos_embed': torch.arange(6.0)}
    assert as_loaded(model, given)['0.pos_embed'].tolist() == [0, 1, 2, 3]
    assert len(given['0.pos_embed']) == 6
    odd = {'0.pos_embed': torch.arange(5.0)}
    assert len(as_loaded(model, odd)['0.pos_embed']) == 5  # the comparison reports it


def test_unwrap_finds_the_tensors():
    weights = {'module.a': torch.zeros(1)}
    for wrapped in (weights, dict(state_dict=weights), dict(model=dict(state_dict=weights))):
        assert list(unwrap(wrapped)) == ['a']
    for nothing in ({}, [], dict(epoch=3), dict(state_dict={'a': 1})):
        with pytest.raises(ValueError, match='named tensors'):
            unwrap(nothing)
