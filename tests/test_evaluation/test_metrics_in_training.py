# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Heads, losses and metrics of the four tasks in MMEngine's training, validation and logs."""

import json
import math

import pytest
from mmengine.config import Config
from task_models import write_task

from mmfer.engine.launch import build_runner

METRICS = {
    'expression': [dict(type='Accuracy'), dict(type='SingleLabelMetric', items=('f1-score',))],
    'age': [dict(type='AgeError')],
    'landmarks': [dict(type='LandmarkNME')],
    'recognition': [dict(type='Accuracy'), dict(type='FaceVerification', far=0.1)],
}


@pytest.mark.parametrize(
    ('task', 'best', 'rule', 'wrapper'),
    [
        ('expression', 'single-label/f1-score', 'greater', 'OptimWrapper'),
        ('age', 'age/mae', 'less', 'OptimWrapper'),
        ('landmarks', 'landmark/nme', 'less', 'BFloat16OptimWrapper'),
        ('recognition', 'verification/tar@far=0.1', None, 'OptimWrapper'),
    ],
)
def test_trains_validates_and_keeps_the_best(repo_root, tmp_path, task, best, rule, wrapper):
    cfg = Config.fromfile(repo_root / 'configs/_base_/default_runtime.py')
    cfg.merge_from_dict(Config.fromfile(write_task(tmp_path, task)[0])._cfg_dict)
    evaluator = METRICS[task]
    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path / 'run'),
            experiment_name=f'{tmp_path.name}_{wrapper}',
            log_level='ERROR',
            train_dataloader=cfg.test_dataloader,
            val_dataloader=cfg.test_dataloader,
            train_cfg=dict(by_epoch=True, max_epochs=2),
            val_cfg=dict(),
            test_cfg=dict(),
            val_evaluator=evaluator,
            test_evaluator=evaluator,
            optim_wrapper=dict(type=wrapper, optimizer=dict(type='AdamW', lr=0.01)),
        )
    )
    cfg.default_hooks.checkpoint.update(save_best=best, rule=rule)
    runner = build_runner(cfg)
    runner.train()
    results = runner.test()
    assert math.isfinite(results[best])
    name = best.replace('/', '_')
    assert list((tmp_path / 'run').glob(f'best_{name}_epoch_*.pth'))
    (log,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(best in line for line in logged) == 2
