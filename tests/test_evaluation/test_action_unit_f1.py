# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample
from sklearn.metrics import f1_score

from mmfer.datasets import ACTION_UNITS
from mmfer.evaluation import ActionUnitF1
from mmfer.registry import EVALUATORS


def predictions(num=60, units=12, missing=0.3, seed=0):
    """Probabilities and labels, some of which are missing, of single units and of whole samples."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, (num, units))
    scores = np.clip(truth * 0.3 + rng.random((num, units)) * 0.7, 0, 1).astype(np.float32)
    truth[rng.random((num, units)) < missing] = -1
    truth[rng.random(num) < missing] = -1
    return scores, truth.astype(np.int8)


def as_samples(scores, truth):
    samples = []
    for score, label in zip(scores, truth, strict=True):
        sample = DataSample(metainfo=dict(img_path=f'{len(samples)}.jpg'))
        sample.set_field(torch.from_numpy(score), 'pred_au')
        sample.set_field(label, 'gt_au')
        samples.append(sample)
    return samples


def evaluate(samples, size, **kwargs):
    evaluator = EVALUATORS.build(
        dict(type='Evaluator', metrics=[dict(type='ActionUnitF1', **kwargs)])
    )
    evaluator.dataset_meta = dict(action_units=ACTION_UNITS)
    evaluator.process(samples)
    return evaluator.evaluate(size)


@pytest.mark.parametrize('threshold', [0.5, 0.3])
def test_all_numbers_equal_scikit_learn(threshold):
    scores, truth = predictions()
    results = evaluate(as_samples(scores, truth), 60, threshold=threshold)
    expected = []
    for column, name in enumerate(ACTION_UNITS):
        known = truth[:, column] >= 0
        active = scores[known, column] >= threshold
        expected.append(100 * f1_score(truth[known, column], active))
        assert results[f'au_f1/{name}'] == pytest.approx(expected[-1])
    assert results['au_f1/mean'] == pytest.approx(np.mean(expected))
    assert all(type(value) is float for value in results.values())


def test_without_missing_labels_the_mean_is_the_macro_f1():
    scores, truth = predictions(missing=0)
    results = evaluate(as_samples(scores, truth), 60)
    expected = 100 * f1_score(truth, scores >= 0.5, average='macro')
    assert results['au_f1/mean'] == pytest.approx(expected)


def test_unlabeled_units_are_omitted_and_absent_units_count_as_zero():
    scores, truth = predictions(missing=0)
    truth[:, 3] = -1
    truth[:, 5], scores[:, 5] = 0, 0
    results = evaluate(as_samples(scores, truth), 60)
    assert 'au_f1/AU6' not in results and results['au_f1/AU10'] == 0
    others = [results[f'au_f1/{name}'] for name in ACTION_UNITS if name != 'AU6']
    assert results['au_f1/mean'] == pytest.approx(np.mean(others))


def test_a_probability_equal_to_the_threshold_is_active():
    sample = as_samples(np.float32([[0.5, 0.25]]), np.int8([[1, 1]]))[0].to_dict()
    metric = ActionUnitF1(threshold=0.5)
    metric.process(None, [sample])
    assert metric.evaluate(1) == {'au_f1/0': 100, 'au_f1/1': 0, 'au_f1/mean': 50}


def test_nothing_labeled_is_an_error():
    scores, truth = predictions()
    truth[:] = -1
    with pytest.raises(ValueError, match='ActionUnitF1: .*60 '):
        evaluate(as_samples(scores, truth), 60)


def test_missing_field_and_other_shape_are_named():
    metric = ActionUnitF1()
    sample = as_samples(*predictions(1))[0].to_dict()
    with pytest.raises(ValueError, match="gt_au.*0.jpg.*algorithm_keys=.'gt_au'"):
        metric.process(None, [{key: value for key, value in sample.items() if key != 'gt_au'}])
    with pytest.raises(ValueError, match='pred_au.*ExpressionAUHead'):
        metric.process(None, [{key: value for key, value in sample.items() if key != 'pred_au'}])
    with pytest.raises(ValueError, match=r'0.jpg.*\(11,\).*\(12,\).*num_units'):
        metric.process(None, [dict(sample, gt_au=sample['gt_au'][:11])])


@pytest.mark.parametrize('threshold', [0, 1, float('nan')])
def test_wrong_threshold_is_named(threshold):
    with pytest.raises(ValueError, match='threshold'):
        ActionUnitF1(threshold)
