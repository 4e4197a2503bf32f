# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the KT-Adapter's docs set from the command line works with the shipped configs."""

import pytest
import torch
from mmpretrain.structures import DataSample
from shipped_configs import BY_NAME, CONFIGS
from shipped_configs import read_config as read_shipped

from mmfer.registry import MODELS
from mmfer.utils.config_options import UnknownOptionError, parse_options, read_config

ADAPTER = 'kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-{}-64px'
REGRESSION = ['age', 'landmarks']
CLASSIFICATION = ['expression', 'recognition']


def build(task, *options):
    """The small adapter of a task without priors, with ``KEY=VALUE`` options."""
    cfg = read_config(BY_NAME[ADAPTER.format(task)], parse_options(options))
    cfg.model.update(init_cfg=None, priors=None)
    return MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))


def loss_of(model):
    """The loss of two images."""
    sample = DataSample().set_gt_label(1)
    sample.set_field(30.0, 'gt_age')
    sample.set_field(torch.full((98, 2), 20.0), 'gt_landmarks')
    return model.train().loss(torch.randn(2, 3, 64, 64), [sample, sample])['loss']


def test_every_config_spells_its_decoder():
    for path in CONFIGS:
        if 'kt_adapter' in path.parts and 'to-apvit' not in path.name:
            head = read_shipped(path).model.head
            assert {'hidden_channels', 'dropout_rate', 'loss'} <= set(head), path


@pytest.mark.parametrize('task', REGRESSION)
@pytest.mark.parametrize(
    'options',
    [
        ['model.head.loss.omega=5', 'model.head.loss.epsilon=.5'],
        ['model.head.loss.reduction=sum'],
        ['model.head.loss.type=L1Loss'],
        ['model.head.loss.type=SmoothL1Loss', 'model.head.loss.beta=4'],
        ['model.head.loss.type=MSELoss', 'model.head.loss.loss_weight=.1'],
    ],
    ids=' '.join,
)
def test_losses_of_numbers(task, options):
    model = build(task, *options)
    loss = model.head.loss_module
    for option in options:
        key, value = option.removeprefix('model.head.loss.').split('=')
        given = type(loss).__name__ if key == 'type' else getattr(loss, key)
        assert given == value or given == float(value)
    assert loss_of(model) > 0


@pytest.mark.parametrize('task', CLASSIFICATION)
@pytest.mark.parametrize(
    ('options', 'kind'),
    [
        (['model.head.loss.loss_weight=.5'], 'CrossEntropyLoss'),
        (
            ['model.head.loss.type=LabelSmoothLoss', 'model.head.loss.label_smooth_val=.1'],
            'LabelSmoothLoss',
        ),
        (['model.head.loss.type=FocalLoss', 'model.head.loss.gamma=1'], 'FocalLoss'),
    ],
)
def test_losses_of_classes(task, options, kind):
    model, plain = build(task, *options), build(task)
    assert type(model.head.loss_module).__name__ == kind
    plain.load_state_dict(model.state_dict())
    losses = []
    for each in (model, plain):
        torch.manual_seed(0)
        losses.append(loss_of(each))
    assert losses[0] > 0 and losses[0] != losses[1]


@pytest.mark.parametrize('task', [*REGRESSION, *CLASSIFICATION])
def test_decoders(task):
    model = build(
        task,
        'model.head.hidden_channels=(32,16)',
        'model.head.dropout_rate=.3',
        'model.head.act_cfg.type=GELU',
    )
    first, second, _ = model.head.layers
    assert (first.fc.out_features, second.fc.out_features) == (32, 16)
    assert second.dropout.p == 0.3 and type(first.act).__name__ == 'GELU'
    assert len(build(task, 'model.head.hidden_channels=()').head.layers) == 1
    assert loss_of(model) > 0


SETTINGS = {
    'fusion=map': lambda neck: neck.fusion == 'map',
    'num_layers=2': lambda neck: len(neck.transfer.earlier) == 1,
    'num_knowledge=4': lambda neck: neck.transfer.knowledge.shape[1] == 4,
    'norm=pre': lambda neck: neck.transfer.pre_norm,
    'act_cfg.type=ReLU': lambda neck: isinstance(neck.transfer.ffn.layers[0][1], torch.nn.ReLU),
    'drop_scheme=together': lambda neck: neck.drop_scheme == 'together',
    'drop_threshold=.3': lambda neck: neck.drop_threshold == 0.3,
    'drop_mask=False': lambda neck: not neck.drop_mask,
    'canonical_mask=False': lambda neck: not neck.transfer.canonical_mask,
    'task_embedding=True': lambda neck: neck.task_embedding is not None,
}


@pytest.mark.parametrize('option', SETTINGS)
def test_adapters(option):
    model = build('age', f'model.neck.{option}')
    assert SETTINGS[option](model.neck) and not SETTINGS[option](build('age').neck)
    assert loss_of(model) > 0


def test_a_fixed_number_of_priors():
    neck = build('age', 'model.neck.drop_scheme=count', 'model.neck.num_kept=2').neck
    assert (neck.drop_scheme, neck.num_kept) == ('count', 2)


@pytest.mark.parametrize('option', ['model.head.loss.beta=4', 'model.neck.num_layer=2'])
def test_what_does_not_exist_is_refused(option):
    with pytest.raises(UnknownOptionError, match=option.split('=')[0]):
        build('age', option)


def test_convnext_can_normalize_its_map():
    """For decoders that read the map; the light MLP then averages it."""
    path = BY_NAME['convnext-v2-base_1xb32-30e_utkface-224px']
    cfg = read_config(path, parse_options(['model.backbone.gap_before_final_norm=False']))
    cfg.model.backbone.update(arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 8, 1024]))
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model).eval()
    images = torch.randn(2, 3, 64, 64)
    assert model.backbone(images)[0].shape == (2, 1024, 2, 2)
    assert model(images, mode='tensor').shape == (2,)
