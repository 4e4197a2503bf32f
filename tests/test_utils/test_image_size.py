# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmengine.config import Config

from mmfer.utils.image_size import image_size

PACK = dict(type='PackInputs')


def config(pipeline=(PACK,), backbone=None, wrapper=False, **dataset):
    dataset = dict(type='SynthFace', pipeline=list(pipeline), **dataset)
    if wrapper:
        dataset = dict(type='RepeatDataset', times=2, dataset=dataset)
    model = dict(backbone=dict(type='MobileOne', **(backbone or {})))
    return Config(dict(model=model, test_dataloader=dict(dataset=dataset)))


@pytest.mark.parametrize(
    ('cfg', 'size', 'source'),
    [
        (config([dict(type='CropFace', size=96), PACK], dict(img_size=64)), (64, 64), 'img_size'),
        (config(backbone=dict(img_size=(64, 32))), (64, 32), 'model.backbone.img_size'),
        (config([dict(type='CropFace', size=96), PACK], image_size=80), (96, 96), 'CropFace.size'),
        (config([dict(type='Resize', scale=(40, 30)), PACK]), (30, 40), 'Resize.scale'),
        (
            config([dict(type='ResizeEdge', scale=256), dict(type='CenterCrop', crop_size=224)]),
            (224, 224),
            'CenterCrop.crop_size',
        ),
        (config([dict(type='ResizeEdge', scale=256)], image_size=48), (48, 48), 'image_size'),
        (config(image_size=80, wrapper=True), (80, 80), 'test_dataloader.dataset.image_size'),
        (config(), (224, 224), 'the default'),
        (Config(dict(model=dict(backbone=dict(type='MobileOne')))), (224, 224), 'the default'),
    ],
)
def test_size_and_its_source(cfg, size, source):
    found, where = image_size(cfg)
    assert found == size and source in where
