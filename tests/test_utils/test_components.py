# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import sys

import pytest
from mmpretrain.datasets import transforms as mmpretrain_transforms

from mmfer.datasets import SynthFace
from mmfer.datasets.transforms import PackInputs
from mmfer.registry import DATASETS, MODELS, TRANSFORMS
from mmfer.utils.components import component_class, find, is_component, registered


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


def test_only_parents_are_searched():
    assert is_component(dict(type='PackInputs'), TRANSFORMS, mmpretrain_transforms.PackInputs)
    assert not is_component(dict(type='mmpretrain.PackInputs'), TRANSFORMS, PackInputs)
    assert is_component(dict(type='mmfer.SynthFace'), DATASETS, PackInputs, SynthFace)
    for none in ({}, None, dict(type='Nobody')):
        assert not is_component(none, MODELS, SynthFace)


@pytest.mark.parametrize(
    'name',
    [
        *('IRNet', 'ResNet', 'BN', 'mmfer.IRNet', 'mmpretrain.ResNet', 'mmpretrain.BN'),
        *('mmengine.BN', 'mmfer.APP'),
    ],
)
def test_registered_equals_registry_get(name):
    assert registered(name, MODELS) is find(name, MODELS) is MODELS.get(name) is not None


@pytest.mark.parametrize('name', ['mmfer.ResNet', 'mmengine.IRNet', '.IRNet', 'torch.IRNet', ''])
def test_names_registered_elsewhere(name):
    assert registered(name, MODELS) is None


@pytest.mark.parametrize('look', [component_class, find, registered])
def test_names_without_dots_are_not_imported(look, tmp_path, monkeypatch):
    for name in ('Resize', 'a_module_of_this_test'):
        (tmp_path / f'{name}.py').write_text('raise SystemExit')
    monkeypatch.syspath_prepend(tmp_path)
    assert look('a_module_of_this_test', MODELS) is None
    assert look('Resize', MODELS) is None and 'Resize' not in sys.modules
    assert component_class('mmpretrain.datasets.PackInputs', TRANSFORMS)
