# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""All default hooks in a run whose dataset has labels but no classes."""

import pytest
import torch
from face_trees import utkface_names, wflw_line, write_utkface, write_wflw
from toy_training import toy_config

from mmfer.engine.launch import build_runner

RESNET = dict(type='ResNet', depth=18, out_indices=(3,))
LOAD = [dict(type='LoadFaceImage'), dict(type='CropFace', kind='tight', size=32)]


@pytest.fixture
def run(tmp_path, repo_root):
    """Train one epoch on a dataset, test the checkpoint on it, and return the metrics."""

    def _run(dataset, head, metric, keys):
        pipeline = [*LOAD, dict(type='PackInputs', algorithm_keys=keys, meta_keys=('attributes',))]
        dataset = dict(dataset, pipeline=pipeline)
        changes = {
            f'{part}_dataloader__dataset': dict(dataset, split=split)
            for part, split in (('train', 'trainval'), ('val', 'trainval'), ('test', 'trainval'))
        }
        runtime = repo_root / 'configs/_base_/default_runtime.py'
        checkpoint = None
        for mode in ('train', 'test'):
            cfg = toy_config(
                tmp_path / mode, runtime, **changes, train_cfg__max_epochs=1, load_from=checkpoint
            )
            cfg.model = dict(
                type='ImageClassifier',
                backbone=RESNET,
                neck=dict(type='GlobalAveragePooling'),
                head=dict(head, in_channels=512),
            )
            cfg.data_preprocessor = dict(type='FaceDataPreprocessor')
            cfg.val_evaluator = cfg.test_evaluator = dict(type=metric)
            result = getattr(build_runner(cfg), mode)()
            checkpoint = str(tmp_path / 'train/epoch_1.pth')
        saved = torch.load(checkpoint, weights_only=True)['meta']['dataset_meta']
        return result, saved

    return _run


def test_ages(run, tmp_path):
    root = write_utkface(tmp_path / 'utkface', utkface_names(10))
    dataset = dict(type='UTKFace', data_root=str(root))
    metrics, saved = run(dataset, dict(type='AgeHead'), 'AgeError', ('gt_age',))
    assert metrics['age/mae'] > 0
    assert 'classes' not in saved and saved['dataset_name'] == 'UTKFace'


def test_landmarks_and_their_subsets(run, tmp_path):
    lines = [wflw_line(f'{i}.jpg', attributes='0 0 0 0 1 0') for i in range(6)]
    root = write_wflw(tmp_path / 'wflw', lines)
    dataset = dict(type='WFLW', data_root=str(root))
    head = dict(type='LandmarkHead', input_size=32)
    metrics, saved = run(dataset, head, 'LandmarkNME', ('gt_landmarks',))
    assert metrics['landmark/nme'] > 0
    # All faces are occluded, but have no other difficult attribute.
    assert metrics['landmark/occlusion/nme'] == metrics['landmark/nme']
    assert 'landmark/pose/nme' not in metrics
    assert 'classes' not in saved and saved['attributes'][4] == 'occlusion'
