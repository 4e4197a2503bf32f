# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The metrics of all four tasks, on two processes and in MMEngine's checkpoint hook."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample

from mmfer.engine.hooks import SafeCheckpointHook
from mmfer.registry import EVALUATORS

METRICS = [
    dict(type='Accuracy'),
    dict(type='SingleLabelMetric', items=('f1-score',)),
    dict(type='LandmarkNME'),
    dict(type='AgeError'),
    dict(type='FaceVerification', far=0.1),
]
LOWER_IS_BETTER = [
    'landmark/nme',
    'landmark/mae',
    'landmark/failure_rate',
    'age/mae',
    'verification/eer',
    'verification/intra_class_variance',
]
HIGHER_IS_BETTER = ['landmark/auc', 'verification/tar@far=0.1', 'verification/auc']


def samples(num=31):
    rng = np.random.default_rng(0)
    made = []
    for index in range(num):
        label = index % 4
        sample = DataSample(metainfo=dict(img_path=f'{index}.png', attributes=np.eye(6)[index % 6]))
        sample.set_gt_label(label).set_pred_score(torch.from_numpy(rng.random(4)))
        points = rng.uniform(0, 100, (98, 2)).astype(np.float32)
        sample.set_field(points, 'gt_landmarks')
        sample.set_field(torch.from_numpy(points) + rng.normal(), 'pred_landmarks')
        sample.set_field(float(rng.uniform(1, 116)), 'gt_age')
        sample.set_field(float(rng.uniform(1, 116)), 'pred_age')
        sample.set_field(torch.from_numpy(np.eye(4)[label] + rng.random(4)), 'feat')
        made.append(sample)
    return made


def evaluate(data, size):
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=METRICS))
    evaluator.dataset_meta = {}
    evaluator.process(data)
    return evaluator.evaluate(size)


def _one_of_two_processes(rank, rendezvous, folder):
    init_default_scope('mmfer')
    dist.init_process_group('gloo', init_method=f'file://{rendezvous}', rank=rank, world_size=2)
    # As DefaultSampler deals them out, the list filled up from its beginning to an even number.
    data = samples()
    torch.save(evaluate([*data, data[0]][rank::2], 31), f'{folder}/{rank}.pt')
    dist.destroy_process_group()


def test_two_processes_agree_with_one(tmp_path):
    mp.start_processes(
        _one_of_two_processes,
        args=(tmp_path / 'rendezvous', tmp_path),
        nprocs=2,
        start_method='fork',
    )
    expected = evaluate(samples(), 31)
    for rank in (0, 1):
        assert torch.load(tmp_path / f'{rank}.pt') == pytest.approx(expected)


@pytest.mark.parametrize('name', LOWER_IS_BETTER + HIGHER_IS_BETTER)
def test_names_are_those_of_the_results(name):
    assert name in evaluate(samples(), 31)


@pytest.mark.parametrize('name', HIGHER_IS_BETTER)
def test_the_checkpoint_hook_knows_that_more_is_better(name):
    assert SafeCheckpointHook(interval=1, save_best=name).rules == ['greater']


@pytest.mark.parametrize('name', [*LOWER_IS_BETTER, 'age/cs@5'])
def test_the_checkpoint_hook_has_to_be_told_which_way_is_better(name):
    with pytest.raises(ValueError, match='Cannot infer the rule for key'):
        SafeCheckpointHook(interval=1, save_best=name)
    assert SafeCheckpointHook(interval=1, save_best=name, rule='less').rules == ['less']
