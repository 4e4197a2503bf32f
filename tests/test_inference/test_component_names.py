# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A component can be given by name, by name with scope, or as a class."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmfer.apis.models import get_model
from mmfer.datasets import EXPRESSIONS
from mmfer.engine.launch import set_amp
from mmfer.engine.test_time_aug import set_tta
from mmfer.faces import Face, face_template
from mmfer.inference.face_cutter import FaceCutter
from mmfer.inference.model_facts import class_names, task_of
from mmfer.registry import DATASETS
from mmfer.serve.drawn_faces import DrawnFaces
from mmfer.utils.config_options import UnknownOptionError, merge_options
from mmfer.utils.image_size import image_size

TEXT = """
default_scope = 'mmfer'
data_preprocessor = dict(type={FaceDataPreprocessor}, mean=[127.5] * 3, std=[127.5] * 3)
model = dict(
    type={ImageClassifier},
    backbone=dict(type={IRNet}, depth=18, num_stages=3, base_channels=4),
    neck={neck},
    head={head})
test_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type={DefaultSampler}, shuffle=False),
    dataset=dict(type={SynthFace}, split='test', num_samples=4, pipeline={pipeline}))
optim_wrapper = dict(type={OptimWrapper}, optimizer=dict(type={SGD}, lr=0.1))
"""
IMPORTS = """
from mmengine.dataset import DefaultSampler
from mmengine.optim import OptimWrapper
from mmcv.transforms import Resize
from mmpretrain.datasets.transforms import PackInputs, ResizeEdge
from mmpretrain.models import GlobalAveragePooling, ImageClassifier
from torch.optim import SGD

from mmfer.datasets import SynthFace
from mmfer.datasets.transforms import CropFace, LoadFaceImage
from mmfer.models import AgeHead, FaceDataPreprocessor, IRNet, KTAdapter, LandmarkHead, MLPClsHead
"""
SCOPES = {
    'mmengine': ('DefaultSampler', 'OptimWrapper', 'SGD'),
    'mmpretrain': (
        *('Resize', 'PackInputs', 'ResizeEdge', 'GlobalAveragePooling', 'ImageClassifier'),
    ),
    'mmfer': (
        *('SynthFace', 'CropFace', 'LoadFaceImage', 'AgeHead', 'FaceDataPreprocessor', 'IRNet'),
        *('KTAdapter', 'LandmarkHead', 'MLPClsHead'),
    ),
}
NAMES = [name for names in SCOPES.values() for name in names]
WAYS = {
    'bare': {name: repr(name) for name in NAMES},
    'scoped': {name: repr(f'{scope}.{name}') for scope, names in SCOPES.items() for name in names},
    'classes': {name: name for name in NAMES},
}
HEADS = {
    'expression': 'dict(type={MLPClsHead}, in_channels=16, num_classes=7)',
    'age': 'dict(type={AgeHead}, in_channels=16)',
    'landmarks': 'dict(type={LandmarkHead}, in_channels=16, input_size=64)',
}
PIPELINES = {
    'drawn': '[dict(type={PackInputs})]',
    'cropped': "[dict(type={LoadFaceImage}), dict(type={CropFace}, kind='tight', size=48), "
    'dict(type={PackInputs})]',
    'resized': '[dict(type={LoadFaceImage}), dict(type={ResizeEdge}, scale=70), '
    'dict(type={Resize}, scale=(40, 48)), dict(type={PackInputs})]',
}


@pytest.fixture(params=WAYS)
def read(request, tmp_path):
    """A function that reads a config, and one that reads the same with bare names."""

    def _read(task='expression', pipeline='drawn', adapter=False, way=request.param):
        neck = 'dict(type={GlobalAveragePooling})'
        if adapter:
            neck = 'dict(type={KTAdapter}, canonical="recognition", embed_dims=32)'
        parts = dict(neck=neck, head=HEADS[task], pipeline=PIPELINES[pipeline])
        parts = {key: text.format(**WAYS[way]) for key, text in parts.items()}
        path = tmp_path / f'{way}.py'
        path.write_text(IMPORTS * (way == 'classes') + TEXT.format(**WAYS[way], **parts))
        return Config.fromfile(path)

    return _read


@pytest.mark.parametrize('pipeline', PIPELINES)
def test_faces_are_cut_alike(read, pipeline):
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    face = Face(np.array([40.0, 30.0, 90.0, 90.0]), 0.9, face_template(48) + (42, 34))
    for found in (None, face):
        expected = FaceCutter(read(pipeline=pipeline, way='bare'))(image, found)
        cut = FaceCutter(read(pipeline=pipeline))(image, found)
        np.testing.assert_array_equal(cut.image, expected.image)
        np.testing.assert_array_equal(cut.matrix, expected.matrix)


def test_size_of_images(read):
    assert image_size(read(pipeline='resized')) == ((48, 40), 'Resize.scale in the test pipeline')
    found, source = image_size(read(pipeline='cropped'))
    assert (found, source) == ((48, 48), 'CropFace.size in the test pipeline')


def test_tasks_and_classes(read):
    assert class_names(read()) == EXPRESSIONS and task_of(read(), EXPRESSIONS) == 'expression'
    for task in ('age', 'landmarks'):
        assert class_names(read(task)) == () and task_of(read(task)) == task
    assert task_of(read(adapter=True)) == 'recognition'


def test_views_of_test_time_augmentation(read):
    cfg = read()
    set_tta(cfg)
    views = DATASETS.build(cfg.test_dataloader.dataset)[0]['inputs']
    assert torch.equal(views[1], views[0].flip(2))


def test_mixed_precision(read):
    cfg = read()
    set_amp(cfg, 'bf16')
    assert cfg.optim_wrapper.type == 'BFloat16OptimWrapper'


def test_options_are_checked_against_the_arguments(read):
    cfg = read()
    merge_options(cfg, {'model.head.hidden_channels': (4,), 'model.head.topk': (1, 2)})
    assert cfg.model.head.topk == (1, 2)
    with pytest.raises(UnknownOptionError, match='hiden_channels'):
        merge_options(cfg, {'model.head.hiden_channels': (4,)})


def test_drawn_faces_of_the_page(read):
    cfg = read()
    cfg.test_dataloader.dataset.crop = 'tight'
    expected = read(way='bare')
    expected.test_dataloader.dataset.crop = 'tight'
    assert DrawnFaces(cfg, True).draw(3) == DrawnFaces(expected, True).draw(3)


@torch.no_grad()
def test_a_model_is_built(read):
    model = get_model(read('age'))
    assert model._dataset_meta['classes'] == () and model(torch.randn(1, 3, 32, 32)) is not None
