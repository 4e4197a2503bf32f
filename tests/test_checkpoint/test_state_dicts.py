# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from mmfer.checkpoint.state_dicts import compare_state_dicts, unwrap


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


def test_a_share_is_rounded_down():
    model = {'a': torch.zeros(9999), 'b': torch.zeros(1)}
    assert '(99.9% of the model)' in str(compare_state_dicts(model, {'a': torch.zeros(9999)}))


def test_unwrap_finds_the_tensors():
    weights = {'module.a': torch.zeros(1)}
    for wrapped in (weights, dict(state_dict=weights), dict(model=dict(state_dict=weights))):
        assert list(unwrap(wrapped)) == ['a']
    for nothing in ({}, [], dict(epoch=3), dict(state_dict={'a': 1})):
        with pytest.raises(ValueError, match='named tensors'):
            unwrap(nothing)
