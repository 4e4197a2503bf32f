# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Untrained models of a few numbers for the four facial tasks, on drawn faces, with configs."""

import pprint
from pathlib import Path

import torch

from mmfer.registry import MODELS

#: 16 channels on a 4x4 grid.
BACKBONE = dict(type='IRNet', depth=18, num_stages=3, base_channels=4)
SIZE = 32
HEADS = {
    'expression': dict(type='MLPClsHead', num_classes=7),
    'age': dict(type='AgeHead'),
    'landmarks': dict(type='LandmarkHead', input_size=SIZE),
    'recognition': dict(type='MLPClsHead', num_classes=3, with_feat=True),
}
_KEYS = {'age': ('gt_age',), 'landmarks': ('gt_landmarks',)}


def task_model(task: str, adapter: bool = False) -> dict:
    """The config of a baseline, or of a KT-Adapter without priors."""
    model = dict(
        type='ImageClassifier',
        backbone=BACKBONE,
        neck=dict(type='GlobalAveragePooling'),
        head=dict(in_channels=16, hidden_channels=(8,), **HEADS[task]),
    )
    if adapter:
        neck = dict(type='KTAdapter', canonical=task, embed_dims=32, num_heads=4)
        model.update(type='FaceAnalyzer', neck=neck)
    return model


def write_task(folder: Path, task: str, adapter: bool = False, num: int = 12) -> tuple[Path, Path]:
    """Write a config with a test split of ``num`` pictures, and a checkpoint.

    Returns:
        Their paths.
    """
    pipeline = [dict(type='PackInputs', algorithm_keys=_KEYS.get(task, ()))]
    loader = dict(
        batch_size=5,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(
            type='SynthFace',
            split='test',
            task=task,
            num_samples=num,
            image_size=SIZE,
            num_identities=3,
            pipeline=pipeline,
        ),
    )
    settings = dict(
        default_scope='mmfer',
        data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
        model=task_model(task, adapter),
        test_dataloader=loader,
    )
    config = folder / f'{task}{"-adapter" * adapter}.py'
    config.write_text('\n'.join(f'{k} = {pprint.pformat(v)}' for k, v in settings.items()))
    torch.manual_seed(0)
    checkpoint = config.with_suffix('.pth')
    torch.save(dict(state_dict=MODELS.build(task_model(task, adapter)).state_dict()), checkpoint)
    return config, checkpoint
