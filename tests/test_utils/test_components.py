# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmpretrain.datasets import transforms as mmpretrain_transforms

from mmfer.datasets import SynthFace
from mmfer.datasets.transforms import PackInputs
from mmfer.registry import DATASETS, MODELS, TRANSFORMS
from mmfer.utils.components import component_class, is_component


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('PackInputs', PackInputs),
        ('mmfer.PackInputs', PackInputs),
        ('mmpretrain.PackInputs', mmpretrain_transforms.PackInputs),
        ('mmpretrain.datasets.transforms.PackInputs', mmpretrain_transforms.PackInputs),
        (PackInputs, PackInputs),
        ('NotRegistered', None),
        ('mmpretrain.NotRegistered', None),
        (None, None),
    ],
)
def test_the_class_that_would_be_built(name, expected):
    assert component_class(dict(type=name), TRANSFORMS) is expected
    assert component_class(name, TRANSFORMS) is expected


def test_parents_count_and_others_do_not():
    assert is_component(dict(type='PackInputs'), TRANSFORMS, mmpretrain_transforms.PackInputs)
    assert not is_component(dict(type='mmpretrain.PackInputs'), TRANSFORMS, PackInputs)
    assert is_component(dict(type='mmfer.SynthFace'), DATASETS, PackInputs, SynthFace)
    for none in ({}, None, dict(type='Nobody')):
        assert not is_component(none, MODELS, SynthFace)
