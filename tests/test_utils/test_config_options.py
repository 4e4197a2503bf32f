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
param_scheduler = dict(type='MultiStepLR', milestones=[1, 3])
train_cfg = dict(by_epoch=True, max_epochs=4)
randomness = dict(seed=0)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1))
"""

BIAS = dict(bias_lr_mult=2)


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
def test_known_options_are_merged(cfg, path, value):
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


def test_another_type_allows_its_arguments(cfg):
    merge_options(
        cfg,
        {
            'model.head.loss.type': 'CrossEntropyLoss',  # a new section
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
def test_unknown_options_are_errors_with_a_hint(cfg, path, message):
    before = cfg.pretty_text
    with pytest.raises(UnknownOptionError, match=message):
        merge_options(cfg, {path: 1})
    assert cfg.pretty_text == before


@pytest.mark.parametrize(
    ('options', 'path', 'value'),
    [
        # The rest of the default stays, so that the component can be built.
        ('model.head.loss.loss_weight=2.0', 'model.head.loss.type', 'CrossEntropyLoss'),
        ('optim_wrapper.optimizer.nesterov=True', 'optim_wrapper.optimizer.nesterov', True),
        ('optim_wrapper.clip_grad.max_norm=1', 'optim_wrapper.clip_grad', dict(max_norm=1)),
        (
            'optim_wrapper.paramwise_cfg.bias_lr_mult=2',
            'optim_wrapper.paramwise_cfg.bias_lr_mult',
            2,
        ),
        ('model.backbone.out_indices.0=2', 'model.backbone.out_indices', (2,)),  # in a default
        ('model.backbone.out_indices=[1,2]', 'model.backbone.out_indices', [1, 2]),
        ('train_dataloader.dataset.pipeline.1.scale=[64,48]', 'train_pipeline.1.scale', 112),
        ('train_dataloader.dataset.data_root=2024', 'train_dataloader.dataset.data_root', '2024'),
        ('load_from=5', 'load_from', '5'),  # text by its annotation, None before
        ('model.head=None', 'model.head', None),
        ('default_hooks.checkpoint=None', 'default_hooks.checkpoint', None),
        ('val_evaluator=[]', 'val_evaluator', []),
        ('train_dataloader.sampler.shuffle=0', 'train_dataloader.sampler.shuffle', 0),
        (
            'train_dataloader.dataset.classes=names.txt',
            'train_dataloader.dataset.classes',
            'names.txt',
        ),
        ('param_scheduler.milestones.1=9', 'param_scheduler.milestones', [1, 9]),
        ('model.head._delete_=True model.head.type=ClsHead', 'model.head', dict(type='ClsHead')),
    ],
)
def test_options_from_the_command_line(cfg, options, path, value):
    merge_options(cfg, parse_options(options.split()))
    node = cfg
    for key in path.split('.'):
        node = node[int(key)] if key.isdigit() else node[key]
    assert node == value and isinstance(node, type(value))


@pytest.mark.parametrize(
    ('word', 'message'),
    [
        ('model.head={"num_classes":7}', r'is a section.*model\.head\.NAME=VALUE'),
        ('model.head={"num_classes":7,"topk":1}', 'is a section'),
        ('model.head=LinearClsHead', 'is a section'),
        ('model.neck=GlobalAveragePooling', 'is a section.*model.neck.NAME=VALUE, or None'),
        ('train_dataloader.sampler.shuffle=no', 'is True or False .now True'),
        ('train_dataloader.batch_size=', 'is a number .now 4'),
        ('train_dataloader.batch_size=many', 'is a number'),
        ('optim_wrapper.optimizer.lr=0,001', 'is a number'),
        ('optim_wrapper.optimizer.lr=None', 'is a number'),
        ('optim_wrapper.optimizer.type=SDG', 'Did you mean SGD'),
        ('optim_wrapper.clip_grad.max_nrom=1', 'max_norm'),
        ('optim_wrapper.paramwise_cfg.norm_decay=0', 'norm_decay_mult'),
        ('model.backbone.type=VisionTransformer', 'has no argument depth, .*_delete_=True'),
        ('model.head._delete_=True', 'needs model.head.type=NAME'),
        ('param_scheduler.milestones=15', r'milestones=\[A,B\]'),
        ('param_scheduler.milestones=a,b', r'milestones=\[A,B\]'),
        ('val_evaluator=Accuracy', r'a list of sections.*val_evaluator\.0\.NAME=VALUE'),
        ('val_evaluator.0=None', 'only a config file'),
        ('val_evaluator.²=1', 'index from 0 to 0'),
        ('default_hooks.ema=EMAHook', 'default_hooks.ema.type=NAME'),
        ('model=None', 'is a section'),
        ('model..depth=1', 'has no ``'),
    ],
)
def test_values_of_a_wrong_type_are_errors_with_a_hint(cfg, word, message):
    before = cfg.pretty_text
    with pytest.raises(UnknownOptionError, match=message):
        merge_options(cfg, parse_options([word]))
    assert cfg.pretty_text == before


def test_options_that_contradict_each_other(cfg):
    with pytest.raises(UnknownOptionError, match='replaces the section of the second'):
        merge_options(cfg, {'model.head': None, 'model.head.topk': 1})


def test_arguments_of_a_new_hook_are_checked(cfg):
    options = {'default_hooks.stop.type': 'EarlyStoppingHook', 'default_hooks.stop.monito': 'a'}
    with pytest.raises(UnknownOptionError, match=r'default_hooks\.stop\.monitor'):
        merge_options(cfg, options)


def test_shared_sections_are_changed_separately(cfg):
    cfg.test_evaluator = cfg.val_evaluator
    merge_options(cfg, {'val_evaluator.0.topk': 5})
    assert cfg.test_evaluator[0].topk == 1


def test_helper_variables_are_errors_with_the_place_of_the_value(cfg):
    place = r'Use train_dataloader\.dataset\.pipeline\.1\.scale'
    with pytest.raises(UnknownOptionError, match=place):
        merge_options(cfg, {'train_pipeline.1.scale': 96})
    with pytest.raises(
        UnknownOptionError,
        match=r'train_dataloader\.dataset\.data_root and val_dataloader\.dataset\.data_root',
    ):
        merge_options(cfg, {'data_root': '/data'})


def test_sections_without_a_type_accept_new_names_but_no_typos(cfg):
    cfg.model.backbone = dict(type='APViT', layer_cfg=dict(init_cfg=None))
    layer = 'model.backbone.layer_cfg'
    merge_options(cfg, {f'{layer}.layer_scale_init_value': 1e-4, f'{layer}.act_cfg.type': 'ReLU'})
    assert cfg.model.backbone.layer_cfg.layer_scale_init_value == 1e-4
    assert cfg.model.backbone.layer_cfg.act_cfg == dict(type='ReLU')
    with pytest.raises(UnknownOptionError, match=rf'Did you mean {layer}\.init_cfg'):
        merge_options(cfg, {f'{layer}.init_cgf': None})


def test_nothing_is_merged_if_one_option_is_wrong(cfg):
    with pytest.raises(UnknownOptionError):
        merge_options(cfg, {'model.backbone.depth': 34, 'model.nothing': 1})
    assert cfg.model.backbone.depth == 18


def test_words_are_parsed_as_in_mmengine():
    words = ['a.b=1', 'c=[1,2]', 'd=x,y', 'e=path=1', 'f=None']
    expected = {'a.b': 1, 'c': [1, 2], 'd': ['x', 'y'], 'e': 'path=1', 'f': None}
    assert parse_options(words) == expected
    assert parse_options([]) == {}


@pytest.mark.parametrize('word', ['a.b', '=3'])
def test_words_that_are_not_assignments(word):
    with pytest.raises(ValueError, match='write KEY=VALUE'):
        parse_options([word])


def test_unclosed_brackets():
    with pytest.raises(ValueError, match=r'--cfg-options: .*brackets.* \[1,\(2'):
        parse_options(['a=[1,(2'])
