# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.models.pooling_settings import PoolingSettings, keep_all, read_pooling, use_pooling
from mmfer.registry import MODELS

APP, ATP = dict(keep_num=9), dict(keep_rate=0.5, start=1)


def backbone(app=None, atp=None):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='APViT',
            cnn=None,
            patch_size=8,
            img_size=32,
            arch=dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32),
            app=app,
            atp=atp,
        )
    )
    model.init_weights()
    return model.eval()


@pytest.mark.parametrize(
    ('poolings', 'settings', 'everything'),
    [
        (dict(app=APP, atp=ATP), (9, 0.5), (16, 1.0)),
        (dict(app=APP), (9, None), (16, None)),
        (dict(atp=ATP), (None, 0.5), (None, 1.0)),
        (dict(app=dict(mode='soft'), atp=dict(keep_rate=0.5, start=3)), (None, None), (None, None)),
        (dict(), (None, None), (None, None)),
    ],
)
def test_what_a_model_has(poolings, settings, everything):
    model = backbone(**poolings)
    assert read_pooling(model) == PoolingSettings(*settings)
    assert keep_all(model) == PoolingSettings(*everything)


def test_other_backbones_have_none():
    model = MODELS.build(dict(type='IRNet', depth=18, num_stages=1, base_channels=4))
    assert read_pooling(model) == keep_all(model) == PoolingSettings()
    with use_pooling(model, PoolingSettings()):
        pass


def test_as_if_it_had_been_built_so():
    model, other = backbone(APP, ATP), backbone(dict(keep_num=5), dict(keep_rate=0.7, start=1))
    other.load_state_dict(model.state_dict())
    faces = torch.randn(2, 3, 32, 32)
    before, counts = model(faces)[0], model.token_counts()
    with use_pooling(model, PoolingSettings(5, 0.7)):
        assert model.token_counts() == other.token_counts() != counts
        assert torch.equal(model(faces)[0], other(faces)[0])
        assert not torch.equal(model(faces)[0], before)
    assert model.token_counts() == counts and torch.equal(model(faces)[0], before)


def test_to_keep_all_is_to_have_no_pooling():
    model, plain = backbone(APP, ATP), backbone()
    plain.load_state_dict(model.state_dict())
    faces = torch.randn(2, 3, 32, 32)
    assert not torch.allclose(model(faces)[0], plain(faces)[0])
    with use_pooling(model, keep_all(model)):
        assert torch.equal(model(faces)[0], plain(faces)[0])


def test_none_leaves_it_alone():
    model = backbone(APP, ATP)
    with use_pooling(model, PoolingSettings(keep_rate=0.75)):
        assert read_pooling(model) == PoolingSettings(9, 0.75)


def test_a_rate_for_each_block():
    model = backbone(APP, dict(keep_rate=[0.75, 0.5], start=1))
    assert read_pooling(model) == PoolingSettings(9, (0.75, 0.5))
    assert model.token_counts() == [10, 7, 4]
    with use_pooling(model, PoolingSettings(keep_rate=(1.0, 0.25))):
        assert read_pooling(model) == PoolingSettings(9, (1.0, 0.25))
        with use_pooling(model, PoolingSettings(keep_rate=0.5)):
            assert read_pooling(model) == PoolingSettings(9, 0.5)
        assert read_pooling(model) == PoolingSettings(9, (1.0, 0.25))
    with use_pooling(model, keep_all(model)):
        assert model.token_counts() == [17, 17, 17]
    assert read_pooling(model) == PoolingSettings(9, (0.75, 0.5))


def test_set_back_behind_errors_and_within_each_other():
    model = backbone(APP, ATP)
    model.layers[2].keep_rate = 0.25  # blocks may differ
    with use_pooling(model, PoolingSettings(3, 1.0)):
        with pytest.raises(RuntimeError), use_pooling(model, keep_all(model)):
            raise RuntimeError
        assert read_pooling(model) == PoolingSettings(3, 1.0)
    assert [model.app.keep_num, *(layer.keep_rate for layer in model.layers[1:])] == [9, 0.5, 0.25]


@pytest.mark.parametrize(
    ('poolings', 'settings', 'message'),
    [
        (dict(app=APP), PoolingSettings(keep_num=0), 'keep_num.*got 0'),
        (dict(app=APP), PoolingSettings(keep_num=17), 'keep_num=17.*16 patches'),
        (dict(app=APP), PoolingSettings(keep_num=True), 'keep_num.*got True'),
        (dict(app=APP), PoolingSettings(keep_num=2.5), 'keep_num.*got 2.5'),
        (dict(atp=ATP), PoolingSettings(keep_rate=0.0), 'keep_rate.*got 0.0'),
        (dict(atp=ATP), PoolingSettings(keep_rate=1.5), 'keep_rate.*got 1.5'),
        (dict(atp=ATP), PoolingSettings(keep_rate=(0.5, 1.5)), 'keep_rate.*got 1.5'),
        (dict(atp=ATP), PoolingSettings(keep_rate=(0.5,)), 'keep_rate.*1 numbers.*2 blocks'),
        (dict(atp=ATP), PoolingSettings(keep_rate=float('nan')), 'keep_rate.*got nan'),
        (dict(atp=ATP), PoolingSettings(keep_num=3), 'needs model.backbone.app'),
        (dict(app=APP), PoolingSettings(keep_rate=0.5), 'needs model.backbone.atp'),
    ],
)
def test_wrong_settings_change_nothing(poolings, settings, message):
    model = backbone(**poolings)
    before = read_pooling(model)
    with pytest.raises(ValueError, match=message), use_pooling(model, settings):
        pass
    assert read_pooling(model) == before
