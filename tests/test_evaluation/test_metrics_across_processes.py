# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""All metrics on two processes, and in MMEngine's checkpoint hook."""

from functools import cache

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample

from mmfer.engine.hooks import SafeCheckpointHook
from mmfer.registry import EVALUATORS

NUM = 31  # an odd number: the two processes cannot share it evenly
SINGLE_LABEL = [
    dict(type='Accuracy'),
    dict(type='MeanClassAccuracy'),
    dict(type='SingleLabelMetric', items=('f1-score',)),
    dict(type='CalibrationError'),
]
METRICS = [
    *SINGLE_LABEL,
    dict(type='LandmarkNME'),
    dict(type='AgeError'),
    dict(type='FaceVerification', far=0.1),
    dict(type='ActionUnitF1'),
    dict(type='CCC'),
]
LABELED_ONLY = [dict(type='LabeledOnly', metric=metric) for metric in SINGLE_LABEL]
LOWER_IS_BETTER = [
    'calibration/ece',
    'landmark/nme',
    'landmark/mae',
    'landmark/failure_rate',
    'age/mae',
    'verification/eer',
    'verification/intra_class_variance',
    'verification/intra_class_variance_to_mean',
]
HIGHER_IS_BETTER = ['landmark/auc', 'verification/tar@far=0.1', 'verification/auc']


def samples(unlabeled=False):
    """Predictions for all tasks; ``unlabeled`` removes the class of every third sample."""
    rng = np.random.default_rng(0)
    made = []
    for index in range(NUM):
        label = index % 4
        sample = DataSample(metainfo=dict(img_path=f'{index}.png', attributes=np.eye(6)[index % 6]))
        sample.set_pred_score(torch.from_numpy(rng.random(4)))
        sample.set_gt_label(-1 if unlabeled and index % 3 == 0 else label)
        points = rng.uniform(0, 100, (98, 2)).astype(np.float32)
        sample.set_field(points, 'gt_landmarks')
        sample.set_field(torch.from_numpy(points) + rng.normal(), 'pred_landmarks')
        sample.set_field(float(rng.uniform(1, 116)), 'gt_age')
        sample.set_field(float(rng.uniform(1, 116)), 'pred_age')
        sample.set_field(torch.from_numpy(np.eye(4)[label] + rng.random(4)), 'feat')
        sample.set_field(rng.integers(-1, 2, 12), 'gt_au')
        sample.set_field(torch.from_numpy(rng.random(12)), 'pred_au')
        place = rng.uniform(-1, 1, 2) if index % 5 else np.full(2, np.nan)
        sample.set_field(place.astype(np.float32), 'gt_valence_arousal')
        sample.set_field(torch.from_numpy(rng.uniform(-1, 1, 2)), 'pred_valence_arousal')
        made.append(sample)
    return made


def evaluate(data, metrics):
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=metrics))
    evaluator.dataset_meta = {}
    evaluator.process(data)
    return evaluator.evaluate(NUM)


def evaluate_all(share):
    """Return the results of all metrics for the samples that ``share`` keeps, as two dicts."""
    return (
        evaluate(share(samples()), METRICS),
        evaluate(share(samples(unlabeled=True)), LABELED_ONLY),
    )


def _one_of_two_processes(rank, rendezvous, folder):
    init_default_scope('mmfer')
    dist.init_process_group('gloo', init_method=f'file://{rendezvous}', rank=rank, world_size=2)
    # As in DefaultSampler, which pads the list from its start to an even number.
    results = evaluate_all(lambda data: [*data, data[0]][rank::2])
    torch.save(results, f'{folder}/{rank}.pt')
    dist.destroy_process_group()


@cache
def of_one_process():
    return evaluate_all(list)


def test_two_processes_agree_with_one(tmp_path):
    expected = of_one_process()
    mp.start_processes(
        _one_of_two_processes,
        args=(tmp_path / 'rendezvous', tmp_path),
        nprocs=2,
        start_method='fork',
    )
    for rank in (0, 1):
        for found, wanted in zip(torch.load(tmp_path / f'{rank}.pt'), expected, strict=True):
            assert found == pytest.approx(wanted)


def test_unlabeled_samples_are_ignored():
    all_of_them, labeled = of_one_process()
    assert set(labeled) <= set(all_of_them)
    assert labeled['accuracy/top1'] != all_of_them['accuracy/top1']


@pytest.mark.parametrize('name', LOWER_IS_BETTER + HIGHER_IS_BETTER)
def test_names_are_in_the_results(name):
    assert name in of_one_process()[0]


@pytest.mark.parametrize('name', HIGHER_IS_BETTER)
def test_the_checkpoint_hook_infers_greater(name):
    assert SafeCheckpointHook(interval=1, save_best=name).rules == ['greater']


@pytest.mark.parametrize('name', [*LOWER_IS_BETTER, 'age/cs@5'])
def test_the_checkpoint_hook_needs_a_rule(name):
    with pytest.raises(ValueError, match=f'rule .*{name}'):
        SafeCheckpointHook(interval=1, save_best=name)
    assert SafeCheckpointHook(interval=1, save_best=name, rule='less').rules == ['less']
