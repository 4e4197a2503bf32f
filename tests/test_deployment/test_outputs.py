# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.deployment.outputs import compute_outputs, store_outputs
from mmfer.registry import MODELS

HEADS = {
    'expression': dict(type='MLPClsHead', num_classes=7),
    'plain': dict(type='LinearClsHead', num_classes=7),
    'units': dict(type='ExpressionAUHead', num_classes=7),
    'recognition': dict(type='MLPClsHead', num_classes=5, with_feat=True),
    'age': dict(type='AgeHead', age_range=(39, 41), age_scale=200.0),
    'landmarks': dict(type='LandmarkHead', input_size=64),
}
FIELDS = {
    'expression': {'pred_score', 'pred_label'},
    'plain': {'pred_score', 'pred_label'},
    'units': {'pred_score', 'pred_label', 'pred_au'},
    'recognition': {'pred_score', 'pred_label', 'feat'},
    'age': {'pred_age'},
    'landmarks': {'pred_landmarks'},
}


@pytest.mark.parametrize('kind', HEADS)
@torch.no_grad()
def test_outputs_are_what_the_head_predicts(kind):
    head = MODELS.build(dict(HEADS[kind], in_channels=16)).eval()
    for value in head.parameters():
        value.add_(torch.randn_like(value) * 0.1)
    feats = (torch.randn(5, 16),)
    expected = head.predict(feats, [DataSample() for _ in range(5)])
    samples = [DataSample() for _ in range(5)]
    store_outputs(compute_outputs(head, feats), samples)
    for sample, wanted in zip(samples, expected, strict=True):
        assert set(sample.keys()) == set(wanted.keys()) == FIELDS[kind]
        for field in FIELDS[kind]:
            given, value = sample.get(field), wanted.get(field)
            assert type(given) is type(value)
            assert torch.equal(torch.as_tensor(given), torch.as_tensor(value))
    if kind == 'age':  # clamped, some of them
        assert {sample.pred_age for sample in samples} & {39.0, 41.0}
