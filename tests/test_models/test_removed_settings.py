# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmengine.config import Config

from mmfer.apis import get_model
from mmfer.models.removed_settings import drop_computation
from mmfer.registry import MODELS

ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
CNN = dict(type='IRNet', depth=18, num_stages=1, base_channels=16)
BACKBONE = dict(type='APViT', patch_size=8, img_size=32, arch=ARCH)
SIZES = dict(embed_dims=16, num_heads=2, feedforward_channels=32)


@pytest.mark.parametrize('value', ['lean', 'paper'])
@pytest.mark.parametrize(
    'settings',
    [BACKBONE, dict(BACKBONE, type='TransFER', cnn=CNN), dict(type='ATPBlock', **SIZES)],
    ids=['APViT', 'TransFER', 'ATPBlock'],
)
def test_old_configs_are_told_that_computation_is_gone(settings, value):
    with pytest.raises(TypeError, match='computation') as error:
        MODELS.build(dict(settings, computation=value))
    for words in (settings['type'], repr(value), 'Outputs', 'the same', 'get_flops.py'):
        assert words in str(error.value)


def test_it_is_dropped_at_any_depth_and_only_where_it_was():
    old = dict(
        model=dict(backbone=dict(BACKBONE, computation='lean')),
        priors=[dict(backbone=dict(type='TransFER', computation='paper'))],
        other=dict(type='Other', computation='lean'),
    )
    assert drop_computation(old) == dict(
        model=dict(backbone=BACKBONE),
        priors=[dict(backbone=dict(type='TransFER'))],
        other=dict(type='Other', computation='lean'),
    )


def test_a_checkpoint_that_carries_an_old_config_still_loads(tmp_path):
    model = dict(
        type='ImageClassifier',
        backbone=dict(BACKBONE, atp=dict(keep_rate=0.5)),
        head=dict(type='LinearClsHead', num_classes=3, in_channels=16),
        data_preprocessor=dict(mean=[0, 0, 0], std=[255, 255, 255], to_rgb=True, num_classes=3),
    )
    trained = MODELS.build(model).eval()
    old = dict(model, backbone=dict(model['backbone'], computation='lean'))
    meta = dict(
        cfg=Config(dict(model=old, default_scope='mmfer')).pretty_text,
        dataset_meta=dict(classes=('a', 'b', 'c')),
    )
    path = tmp_path / 'old.pth'
    torch.save(dict(state_dict=trained.state_dict(), meta=meta), path)
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(get_model(path)(image), trained(image))
