# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Configs in checkpoints may only name known components; nothing else is imported or called."""

import copy
import socket
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from shipped_configs import CONFIGS, read_config
from task_models import task_model

from mmfer.apis import FaceInferencer, get_model
from mmfer.checkpoint import CheckpointError
from mmfer.checkpoint.config_parts import read_config_text
from mmfer.checkpoint.config_text import ConfigTextError
from mmfer.cli import main
from mmfer.registry import MODELS

PIPELINE = [dict(type='LoadFaceImage'), dict(type='Resize', scale=(32, 32))]
CONFIG = dict(
    default_scope='mmfer',
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
    model=task_model('expression', backbone='apvit'),
    test_dataloader=dict(dataset=dict(type='SynthFace', image_size=32, pipeline=PIPELINE)),
)
TIMM = dict(type='TIMMBackbone', model_name='resnet18')
VIT = dict(type='VisionTransformer', arch='deit-tiny')
NORM = 'model.backbone.norm_cfg'
DATA = 'test_dataloader.dataset'
FILE = 'evil.txt'
#: Places in a config and malicious values for them. Each is an error that names the place.
HOSTILE = {
    # Names that registries would import: as a module, as an attribute, by the scope.
    'model.type': 'evil',
    'model.backbone.type': 'evil.run',
    'model.backbone': [
        *(dict(type='evil'), dict(type='mmfer.FaceInferencer', model='evil.py', detector=None)),
        *(dict(type=name) for name in ('mmfer.get_model', 'mmengine.evil', 'mmpretrain.evil')),
        *(dict(type=name) for name in ('mmfer.evil.IRNet', '.IRNet', 'evil.IRNet', '', 'IRNet ')),
        *(dict(type=name) for name in ('mmfer.models.get_model', 'mmfer.registry.MODELS')),
        *(dict(type=name) for name in ('os.system', 'builtins.exec', 'mmengine.Config.fromfile')),
        *(dict(type=name) for name in (5, None, ['IRNet'], {'type': 'IRNet'}, b'IRNet', ...)),
        # Registered, but not allowed: they open files or URLs, or run code of other libraries.
        dict(type='HuggingFaceClassifier', model_name='evil/evil', trust_remote_code=True),
        dict(type='TimmClassifier', model_name='hf-hub:evil/evil', pretrained=True),
        dict(type='CLIPGenerator', tokenizer_path=FILE),
        dict(type='LoRAModel', module=dict(type='evil'), targets=[]),
        dict(type='Resize'),  # from another registry: as a model it would be imported
        # Arguments of timm.
        *(dict(TIMM, norm_layer=name) for name in ('evil', 'evil.run', 'IRNet')),
        *(dict(TIMM, act_layer='evil.run'), dict(TIMM, checkpoint_path=FILE)),
        *(dict(TIMM, pretrained_cfg=dict(url='http://evil.org/a')), dict(TIMM, cache_dir='evil')),
        *(dict(TIMM, pretrained_cfg_overlay=dict(file=FILE)), dict(TIMM, scriptable=True)),
        *(dict(TIMM, pretrained_model_args=dict(a=1)), dict(TIMM, model_name=None)),
        *(dict(TIMM, model_name=f'{source}evil') for source in ('hf-hub:a/', 'local-dir:', '../')),
        # A type under another key.
        dict(VIT, patch_cfg=dict(conv_type='evil')),
        dict(VIT, patch_cfg=dict(conv_type='evil.run')),
        dict(VIT, layer_cfgs=dict(ffn_cfgs=dict(act_cfg=dict(type='evil')))),
        dict(VIT, arch='evil.py'),
        # Values that would use all memory, and values that are not plain.
        *(dict(type='IRNet', base_channels=value) for value in (10**9, -(10**5000), 1j, b'a')),
        {'type': 'IRNet', 3: 4},
        {'type': 'IRNet', '__class__.x': 4},
    ],
    NORM: [
        *(dict(type=name) for name in ('evil', 'evil.run', 'mmfer.evil', 'torch.nn.LayerNorm')),
        dict(type='IRNet'),  # MMPretrain does not search mmfer's registry and would import it
    ],
    'model.backbone.cnn.type': 'evil',
    'model.backbone.app': dict(type='evil'),
    'model.backbone.layer_cfg': dict(act_cfg=dict(type='evil')),
    'model.neck': [[dict(type='evil')], ({'type': 'evil'},), '/etc/passwd', 'http://evil.org'],
    'model.head': [
        dict(type='LinearClsHead', num_classes=7, in_channels=16, loss=dict(type='evil')),
        dict(type='ArcFaceClsHead', num_classes=7, in_channels=16, margins=FILE),
        dict(type='MLPClsHead', a=dict(b=[dict(c=({'type': 'evil'},))])),
    ],
    'model.data_preprocessor': dict(type='evil'),
    'data_preprocessor.type': 'evil',
    'model': [None, 'evil.py', [], 3, dict(type='evil')],
    'data_preprocessor': ['evil.py', [3]],
    'default_scope': ['evil', 'mmfer.evil', None, 3],
    'custom_imports': [dict(imports=['evil']), dict(imports='evil'), ['evil'], [['evil']]],
    'test_dataloader': ['evil.yml', {}, dict(dataset='evil')],
    f'{DATA}.type': ['evil', 'evil.run', 'mmfer.get_model', 'mmfer.evil', 3],
    DATA: [
        dict(type='ClassBalancedDataset', dataset=dict(type='evil')),
        dict(type='evil', pipeline=[]),
        *(dict(type='SynthFace', **{key: 'evil/a'}) for key in ('crop', 'task', 'difficulty')),
        *(dict(type='SynthFace', image_size=size) for size in (10**5, 0, '1')),
        dict(type='SynthFace', seed=-(10**5000)),
        dict(type='SynthFace', num_samples=10**12),
    ],
    f'{DATA}.pipeline': [
        *([dict(type=name)] for name in ('evil', 'evil.run', 'mmfer.evil', 'IRNet', 'BN')),
        [dict(type='Albumentations', transforms=[dict(type='evil')])],
        [dict(type='Compose', transforms=[dict(type='evil')])],
        [dict(type='RandomResize', scale=(8, 8), resize_type='evil')],
        [dict(type='AutoAugment', policies=[[dict(type='evil')]])],
        [dict(type='torchvision/Lambda', lambd='evil')],
        [dict(type='PackMultiTaskInputs', multi_task_fields=('a',), b=dict(type='evil'))],
        [dict(type='Resize', scale=(10**9, 10**9))],
        *([dict(type='Resize', size=3)], [dict(type='CropFace', kind=FILE)]),
        *([3], ['Resize'], 'evil', dict(type='Resize')),
    ],
}
#: Settings that prediction does not use: they are omitted, whatever they name.
UNUSED = {
    'model.pretrained': 'http://evil.org/a.pth',
    'model.init_cfg': dict(type='Pretrained', checkpoint='http://evil.org/a.pth'),
    'model.backbone.init_cfg': dict(type='evil', checkpoint=FILE),
    'model.train_cfg': dict(augments=dict(type='evil')),
    'data_preprocessor.batch_augments': dict(augments=[dict(type='evil')]),
    f'{DATA}.data_root': 's3://evil',
    f'{DATA}.ann_file': 'http://evil.org/a.json',
    f'{DATA}.metainfo': FILE,
    f'{DATA}.classes': FILE,
    f'{DATA}.cache': True,
    f'{DATA}.pipeline.0.backend_args': dict(backend='petrel'),
    f'{DATA}.pipeline.0.file_client_args': dict(backend='http'),
    'test_dataloader.collate_fn': dict(type='evil'),
    'test_dataloader.sampler': dict(type='evil'),
    'train_dataloader': dict(dataset=dict(type='evil')),
    'tta_model': dict(type='evil'),
    'tta_pipeline': [dict(type='evil')],
    'custom_hooks': [dict(type='evil.run')],
    'custom': [dict(a=[dict(_scope_='evil')])],
    'custom_imports': ['mmfer.no_module_yet'],
    'model.backbone._scope_': 'evil',
    'optim_wrapper': dict(type='OptimWrapper', optimizer=dict(type='torch.optim.AdamW')),
    'train_pipeline': [dict(type='builtins.exec')],
    'visualizer': dict(type='evil', vis_backends=[dict(type='evil')]),
    'load_from': 'http://evil.org/a.pth',
    '_base_': 'evil.py',
    'filename': 'evil.py',
    'text': 3,
    '__class__': 'evil',
}
CASES = [
    (place, value)
    for place, values in HOSTILE.items()
    for value in (values if isinstance(values, list) else [values])
]


def changed(place, value):
    """Return the text of the config with one value replaced; an attacker may write any text."""
    settings = copy.deepcopy(CONFIG)
    *way, last = place.split('.')
    node = settings
    for key in way:
        node = node[int(key)] if key.isdigit() else node[key]
    node[last] = value
    return ''.join(f'{name} = {written(section)}\n' for name, section in settings.items())


def written(value):
    if isinstance(value, dict):
        return f'{{{", ".join(f"{written(k)}: {written(v)}" for k, v in value.items())}}}'
    if isinstance(value, (list, tuple)):
        items = ''.join(f'{written(item)}, ' for item in value)
        return f'[{items}]' if isinstance(value, list) else f'({items})'
    if isinstance(value, int) and abs(value) > 2**64:
        return hex(value)
    return '...' if value is ... else repr(value)


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module, a config and a file that leave a mark when they are used; and no network."""
    mark = tmp_path / 'mark'
    code = f"open({str(mark)!r}, 'a').write('x')\ndef run(*a, **k): return 1\n"
    for name in ('evil', 'IRNet', 'Resize', 'APViT', 'BN ', 'LoadFaceImage', 'SynthFace'):
        (tmp_path / f'{name}.py').write_text(code)
    (tmp_path / FILE).write_text('0.1\n' * 7)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def refuse(*args, **kwargs):
        mark.write_text('network')
        raise OSError('no network')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    yield mark
    sys.modules.pop('evil', None)
    assert not mark.exists()


def test_the_test_set_is_the_first_of_concatenated_ones():
    data = dict(CONFIG['test_dataloader']['dataset'])
    wrapper = dict(type='ConcatDataset', datasets=[dict(type='RepeatDataset', dataset=data), {}])
    text = Config(dict(CONFIG, test_dataloader=dict(dataset=wrapper))).pretty_text
    assert read_config_text(text).to_dict() == CONFIG


def test_the_unchanged_config_is_accepted():
    cfg = read_config_text(changed('default_scope', 'mmfer'))
    assert cfg.to_dict() == CONFIG
    assert len(CASES) > 100


@pytest.mark.parametrize(('place', 'value'), CASES, ids=lambda part: written(part)[:60])
def test_malicious_configs_are_errors_with_the_place(place, value, trap):
    with pytest.raises(ConfigTextError) as error:
        read_config_text(changed(place, value))
    assert f'config.{place}' in str(error.value) and len(str(error.value)) < 700


@pytest.mark.parametrize('place', UNUSED)
def test_settings_that_prediction_does_not_use_are_omitted(place, trap):
    cfg = read_config_text(changed(place, UNUSED[place])).to_dict()
    cfg[DATA.split('.')[0]]['dataset'].pop('metainfo', None)
    assert cfg == CONFIG


@pytest.fixture
def checkpoint(tmp_path):
    """Return a function that writes a checkpoint with a config in it."""
    torch.manual_seed(0)
    weights = MODELS.build(CONFIG['model']).state_dict()

    def _write(place='default_scope', value='mmfer'):
        path = tmp_path / 'a.pth'
        torch.save(dict(state_dict=weights, meta=dict(cfg=changed(place, value))), path)
        return path

    return _write


def test_every_entry_point_raises(checkpoint, trap, capsys):
    path = checkpoint('model.backbone.cnn.type', 'evil')
    photo = np.full((32, 32, 3), 120, np.uint8)
    cv2.imwrite('photo.png', photo)
    predict = ['predict', 'photo.png', '--out', 'out', '--aligned', '--model', str(path)]
    serve = ['serve', '--aligned', '--port', '0', '--model', str(path)]
    for words in (predict, serve):
        try:
            assert main(words) == 2
        except SystemExit as stop:
            assert stop.code == 2
        assert 'a.pth: config.model.backbone.cnn.type' in capsys.readouterr().err
    for door in (get_model, lambda path: FaceInferencer(path, detector=None)):
        with pytest.raises(ValueError, match=r"a.pth: config.model.*'evil'.*--weights"):
            door(path)
    assert FaceInferencer(checkpoint(), detector=None, device='cpu')(photo)


def test_names_of_other_registries_are_not_imported(checkpoint, trap):
    """There is a ``Resize.py``, which a lookup among models would import."""
    assert get_model(checkpoint())


class TestOddValuesOfGoodParts:
    """They raise a clear error before memory is used."""

    @pytest.mark.parametrize(
        ('place', 'value'),
        [
            ('model.backbone.arch.num_layers', 'many'),
            ('model.backbone.arch.embed_dims', 2**20),
            ('model.backbone.cnn.base_channels', 2**18),
            ('model.backbone.cnn.depth', 7),
            ('model.backbone.unknown', 1),
            ('model.backbone', dict(TIMM, model_name='nothing')),
            ('model.head.hidden_channels', (2**20, 2**20)),
            ('model.head', [dict(type='MLPClsHead')]),
            ('data_preprocessor.mean', 'abc'),
            ('model', dict(type='IRNet')),
            ('model.head', None),
            (f'{DATA}.pipeline', [dict(type='Resize', scale=('a', 'b'))]),
            (f'{DATA}.pipeline', [dict(type='Resize', scale=(-3, 0))]),
            (f'{DATA}.pipeline', [dict(type='Resize', scale=(8, 9), interpolation='evil')]),
            (f'{DATA}.pipeline', [dict(type='NumpyToPIL'), *PIPELINE[1:]]),
        ],
    )
    def test_models_and_pipelines(self, place, value, checkpoint):
        with pytest.raises(ValueError, match='a.pth.*(cannot be|ImageClassifier)'):
            get_model(checkpoint(place, value))

    def test_class_names_in_meta(self, checkpoint):
        path = checkpoint()
        content = torch.load(path, weights_only=True)
        for notes in ('abc', [1], 3, dict(classes=5)):
            content['meta']['dataset_meta'] = notes
            torch.save(content, path)
            with pytest.raises(CheckpointError, match='dataset_meta|classes'):
                get_model(path)


def test_custom_components_are_errors_even_if_registered(checkpoint, trap):
    class OwnHead(torch.nn.Module):
        def __init__(self, **kwargs):
            trap.write_text('built')

    MODELS.register_module('OwnHead', module=OwnHead)
    try:
        for name in ('OwnHead', 'mmfer.OwnHead'):
            with pytest.raises(ValueError, match=f"head.type '{name}'.*--model CONFIG"):
                get_model(checkpoint('model.head', dict(type=name)))
    finally:
        del MODELS.module_dict['OwnHead']


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_accepted(path):
    cfg = read_config(path)
    text = ''.join(f'{name} = {value!r}\n' for name, value in cfg.to_dict().items())
    found = read_config_text(text)
    assert found.model.backbone.type == cfg.model.backbone.type
    assert found.model.head.keys() | {'init_cfg'} >= cfg.model.head.keys()
    assert found.test_dataloader.dataset.type == cfg.test_dataloader.dataset.type
    assert found.test_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline
    assert found.get('data_preprocessor') == cfg.get('data_preprocessor')


@pytest.mark.parametrize(
    'name',
    [
        *('mmfer.models.backbones.apvit.APViT', 'mmfer.models.APViT'),
        *('mmpretrain.models.ResNet', 'mmpretrain.models.backbones.resnet.ResNet'),
    ],
)
def test_full_paths_of_pure_python_configs(name, trap):
    found = read_config_text(changed('model.backbone', dict(type=name))).model.backbone
    package, *_, bare = name.split('.')
    assert found.type == f'{package}.{bare}'


@pytest.mark.parametrize('prefix', ['', 'mmpretrain.', 'mmfer.', 'mmengine.'])
def test_scopes_of_the_registries(prefix):
    known = {'': 'APViT', 'mmpretrain.': 'ResNet', 'mmfer.': 'APViT', 'mmengine.': 'BN'}[prefix]
    backbone = dict(type=prefix + known, _scope_='mmpretrain')
    assert read_config_text(changed('model.backbone', backbone)).model.backbone == {
        'type': prefix + known
    }
    assert read_config_text(changed('default_scope', 'mmpretrain')).default_scope == 'mmfer'


def test_configs_of_class_objects_are_accepted():
    """MMEngine writes the full path of a class."""
    config = copy.deepcopy(CONFIG)
    config['model']['type'] = 'mmpretrain.models.classifiers.image.ImageClassifier'
    config['model']['backbone']['type'] = 'mmfer.models.APViT'
    config['train_cfg'] = dict(type='mmengine.runner.loops.EpochBasedTrainLoop')
    config['optim_wrapper'] = dict(optimizer=dict(type='torch.optim.adamw.AdamW'))
    dataset = config['test_dataloader']['dataset']
    dataset['type'] = 'mmfer.datasets.synthface.SynthFace'
    dataset['pipeline'] = [
        dict(type='mmcv.transforms.processing.Resize', scale=(32, 32)),
        dict(type='mmpretrain.datasets.transforms.formatting.PackInputs'),
    ]
    read = read_config_text(Config(config).pretty_text)
    assert read.model.type == 'mmpretrain.ImageClassifier'
    assert read.model.backbone.type == 'mmfer.APViT'
    steps = read.test_dataloader.dataset.pipeline
    assert [step.type for step in steps] == ['Resize', 'mmpretrain.PackInputs']
    MODELS.build(read.model)


def test_common_components_of_other_packages():
    for backbone in (
        dict(TIMM, features_only=True, out_indices=(3,), pretrained=True, drop_rate=0.1),
        dict(TIMM, model_name='resnet18.a1_in1k', norm_layer='BN2d', attn_drop_rate=0.1),
        dict(TIMM, model_name='vit_tiny_patch16_224', dynamic_img_size=True, patch_size=16),
        dict(VIT, norm_cfg=dict(type='LN', eps=1e-6), patch_cfg=dict(conv_type='Conv2d')),
        dict(type='ConvNeXt', norm_cfg=dict(type='LN2d'), act_cfg=dict(type='GELU')),
        dict(type='ResNet', depth=18, conv_cfg=None, norm_cfg=dict(type='SyncBN')),
        dict(type='mmpretrain.ResNet', depth=18),
        *(dict(type='BEiTViT', arch='base'), dict(type='MViT', arch='tiny')),
    ):
        assert read_config_text(changed('model.backbone', backbone)).model.backbone.type
    assert read_config_text(f'model = {CONFIG["model"]}').model == Config(CONFIG).model
