# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""``tools/test.py --tta``, run like a user."""

import json

import pytest
import torch
from tool_calls import run_tool

from mmfer.registry import MODELS

CONFIG = """
_base_ = {runtime!r}
data_preprocessor = dict(num_classes=7, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='IRNet', depth=18, num_stages=2, base_channels=4),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=7, in_channels=8))
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SynthFace', num_samples=9, image_size=32, pipeline=[dict(type='PackInputs')]))
test_cfg = dict()
test_evaluator = [dict(type='Accuracy'), dict(type='ConfusionMatrix')]
"""


def test_averages_both_views(repo_root, tmp_path):
    runtime = str(repo_root / 'configs/_base_/default_runtime.py')
    config = tmp_path / 'small.py'
    config.write_text(CONFIG.format(runtime=runtime))
    settings = {}
    exec(config.read_text(), settings)
    model = MODELS.build(dict(settings['model'], data_preprocessor=settings['data_preprocessor']))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model.pth')
    words = ['small.py', 'model.pth', '--tta', '--out', 'metrics.json', '--work-dir', 'work']
    done = run_tool('test.py', *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '100.0% of the model' in done.stdout + done.stderr
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    matrix = torch.tensor(metrics['confusion_matrix/result'])
    assert matrix.sum() == 9
    assert metrics['accuracy/top1'] == pytest.approx(100 / 9 * matrix.trace().item())
    assert (tmp_path / 'work/confusion_matrix.csv').is_file()
