# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmengine.config import Config

from mmfer.utils.config_options import UnknownOptionError, merge_options, parse_options

CONFIG = """
train_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=112)]
data_root = 'data/rafdb'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18),
    neck=None,
    head=dict(type='LinearClsHead', num_classes=7, in_channels=512))
train_dataloader = dict(
    batch_size=4,
    dataset=dict(type='CustomDataset', data_root=data_root, pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(dataset=dict(type='CustomDataset', data_root=data_root))
val_evaluator = [dict(type='Accuracy', topk=1)]
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(by_epoch=True, max_epochs=4)
randomness = dict(seed=0)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1))
"""


@pytest.fixture
def cfg():
    return Config.fromstring(CONFIG, '.py')


@pytest.mark.parametrize(
    'path, value',
    [
        ('model.backbone.depth', 34),  # in the config
        ('model.head.loss.loss_weight', 2.0),  # below an argument of the class
        ('model.backbone.frozen_stages', 1),  # an argument of the class
        ('model.head.init_cfg', None),  # of a base class that gets **kwargs
        ('val_evaluator.0.topk', 5),  # list index
        ('val_evaluator.0.collect_device', 'gpu'),
        ('train_dataloader.dataset.pipeline.1.scale', 96),
        ('train_dataloader.num_workers', 2),  # an argument of DataLoader
        ('optim_wrapper.clip_grad.max_norm', 10),
        ('optim_wrapper.optimizer.momentum', 0.9),
        ('train_cfg.val_interval', 2),
        ('randomness.deterministic', True),
        ('default_hooks.checkpoint.max_keep_ckpts', 2),
        ('load_from', 'a.pth'),  # an argument of Runner
        ('find_unused_parameters', True),  # read by Runner from the config
    ],
)
def test_what_exists_is_merged(cfg, path, value):
    merge_options(cfg, {path: value})
    node = cfg
    for key in path.split('.'):
        node = node[int(key)] if key.isdigit() else node[key]
    assert node == value


def test_a_new_hook_needs_its_type(cfg):
    options = {'default_hooks.ema.type': 'EMAHook', 'default_hooks.ema.momentum': 0.1}
    merge_options(cfg, options)
    assert cfg.default_hooks.ema == dict(type='EMAHook', momentum=0.1)
    with pytest.raises(
        UnknownOptionError, match=r'default_hooks\.chekpoint.*default_hooks\.checkpoint'
    ):
        merge_options(cfg, {'default_hooks.chekpoint.interval': 5})


def test_another_type_brings_its_arguments(cfg):
    merge_options(
        cfg,
        {
            'model.head.loss.type': 'CrossEntropyLoss',  # a branch that was not there
            'train_dataloader.sampler.length': 'largest',
            'train_dataloader.sampler.type': 'ClassBalancedSampler',
        },
    )
    assert cfg.train_dataloader.sampler == dict(
        type='ClassBalancedSampler', shuffle=True, length='largest'
    )
    with pytest.raises(UnknownOptionError, match='label_smooth.*label_smooth_val'):
        merge_options(
            cfg, {'model.head.loss.type': 'LabelSmoothLoss', 'model.head.loss.label_smooth': 0.1}
        )
    with pytest.raises(UnknownOptionError, match='round_up'):
        merge_options(cfg, {'train_dataloader.sampler.round_up': False})


@pytest.mark.parametrize(
    'path, message',
    [
        ('modle.backbone.depth', '`modle`.* model'),
        (
            'model.backbone.deth',
            r'`model\.backbone` .*`deth`.*model\.backbone\.',
        ),
        ('model.depth', r'`depth`.*model\.backbone\.depth'),
        ('optim_wrapper.lr', r'`lr`.*optim_wrapper\.optimizer\.lr'),
        ('optim_wrapper.optimizer.momentun', r'optim_wrapper\.optimizer\.momentum'),
        ('train_dataloader.batchsize', r'train_dataloader\.batch_size'),
        ('train_cfg.max_epoch', r'train_cfg\.max_epochs'),
        ('val_evaluator.1.topk', '`val_evaluator` .*`1`'),
        ('val_evaluator.topk', '`topk` .*0 to 0'),
        ('model.neck.type', r'`model\.neck` .*None'),
        ('model.backbone.depth.x', r'`model\.backbone\.depth` .*18'),
    ],
)
def test_what_does_not_exist_is_an_error_with_a_hint(cfg, path, message):
    before = cfg.pretty_text
    with pytest.raises(UnknownOptionError, match=message):
        merge_options(cfg, {path: 1})
    assert cfg.pretty_text == before


def test_helper_variables_have_no_effect_and_say_where_the_value_went(cfg):
    place = r'Use train_dataloader\.dataset\.pipeline\.1\.scale'
    with pytest.raises(UnknownOptionError, match=place):
        merge_options(cfg, {'train_pipeline.1.scale': 96})
    with pytest.raises(
        UnknownOptionError,
        match=r'train_dataloader\.dataset\.data_root and val_dataloader\.dataset\.data_root',
    ):
        merge_options(cfg, {'data_root': '/data'})


def test_nothing_is_merged_if_one_option_is_wrong(cfg):
    with pytest.raises(UnknownOptionError):
        merge_options(cfg, {'model.backbone.depth': 34, 'model.nothing': 1})
    assert cfg.model.backbone.depth == 18


def test_words_are_parsed_like_mmengine_does():
    words = ['a.b=1', 'c=[1,2]', 'd=x,y', 'e=path=1', 'f=None']
    expected = {'a.b': 1, 'c': [1, 2], 'd': ['x', 'y'], 'e': 'path=1', 'f': None}
    assert parse_options(words) == expected
    assert parse_options([]) == {}


@pytest.mark.parametrize('word', ['a.b', '=3'])
def test_words_that_are_no_assignment(word):
    with pytest.raises(ValueError, match='write KEY=VALUE'):
        parse_options([word])


def test_brackets_without_an_end():
    with pytest.raises(ValueError, match=r'--cfg-options: .*brackets.* \[1,\(2'):
        parse_options(['a=[1,(2'])
