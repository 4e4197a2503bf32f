# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Tiny untrained models of both papers and all tasks, on drawn faces, with their configs."""

import pprint
from pathlib import Path

import torch

from mmfer.registry import MODELS

#: 16 channels on a 4x4 grid.
BACKBONE = dict(type='IRNet', depth=18, num_stages=3, base_channels=4)
SIZE = 32
_VIT = dict(
    cnn=BACKBONE,
    arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
    img_size=SIZE,
)
#: 16 channels each; 9 of 16 patches remain after the CNN, 4 after the first block, 2 at the end.
BACKBONES = {
    'irnet': BACKBONE,
    'apvit': dict(type='APViT', app=dict(keep_num=9), atp=dict(keep_rate=0.5, start=0), **_VIT),
    'transfer': dict(type='TransFER', **_VIT),
}
HEADS = {
    'expression': dict(type='MLPClsHead', num_classes=7),
    'age': dict(type='AgeHead'),
    'landmarks': dict(type='LandmarkHead', input_size=SIZE),
    'recognition': dict(type='MLPClsHead', num_classes=3, with_feat=True),
    'valence_arousal': dict(type='ValenceArousalHead'),
}
#: Arguments of :func:`write_task` per kind of model.
KINDS = {
    'apvit': dict(task='expression', backbone='apvit'),
    'transfer': dict(task='expression', backbone='transfer'),
    'kt-adapter': dict(task='expression', adapter=True),
    'kt-adapter-to-apvit': dict(task='expression', adapter=True, backbone='apvit'),
    'age': dict(task='age'),
    'landmarks': dict(task='landmarks'),
    'recognition': dict(task='recognition'),
    'valence-arousal': dict(task='valence_arousal'),
}
_KEYS = {
    'age': ('gt_age',),
    'landmarks': ('gt_landmarks',),
    'valence_arousal': ('gt_valence_arousal',),
}


def task_model(task: str, adapter: bool = False, backbone: str = 'irnet') -> dict:
    """Return the config of a baseline, or of a KT-Adapter without priors."""
    model = dict(
        type='ImageClassifier',
        backbone=BACKBONES[backbone],
        neck=dict(type='GlobalAveragePooling') if backbone == 'irnet' else None,
        head=dict(in_channels=16, hidden_channels=(8,), **HEADS[task]),
    )
    if adapter:
        neck = dict(type='KTAdapter', canonical=task, embed_dims=32, num_heads=4)
        model.update(type='FaceAnalyzer', neck=neck)
    return model


def write_task(
    folder: Path, task: str, adapter: bool = False, num: int = 12, backbone: str = 'irnet'
) -> tuple[Path, Path]:
    """Write a config with a test split of ``num`` images, and a checkpoint.

    Returns:
        Their paths.
    """
    emotion = task == 'valence_arousal'  # not a task of SynthFace, which still has these labels
    pipeline = [dict(type='PackInputs', algorithm_keys=_KEYS.get(task, ()))]
    loader = dict(
        batch_size=5,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(
            type='SynthFace',
            split='test',
            task='expression' if emotion else task,
            valence_arousal=emotion,
            num_samples=num,
            image_size=SIZE,
            num_identities=3,
            pipeline=pipeline,
        ),
    )
    settings = dict(
        default_scope='mmfer',
        data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
        model=task_model(task, adapter, backbone),
        test_dataloader=loader,
    )
    name = task + '-adapter' * adapter + f'-{backbone}' * (backbone != 'irnet')
    config = folder / f'{name}.py'
    config.write_text('\n'.join(f'{k} = {pprint.pformat(v)}' for k, v in settings.items()))
    torch.manual_seed(0)
    checkpoint = config.with_suffix('.pth')
    model = MODELS.build(task_model(task, adapter, backbone))
    for name, weight in model.backbone.named_parameters():
        if 'token' in name or 'pos_embed' in name:  # these are zero before training
            torch.nn.init.normal_(weight)
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    return config, checkpoint
