# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample
from sklearn.metrics import f1_score, precision_score

from mmfer.registry import METRICS


def evaluate(target, predicted, num_classes, type='PresentClassesMetric'):
    samples = []
    for truth, label in zip(target, predicted, strict=True):
        score = torch.full((num_classes,), 0.1)
        score[label] = 0.9
        samples.append(DataSample().set_gt_label(truth).set_pred_score(score).to_dict())
    metric = METRICS.build(dict(type=type, items=('f1-score', 'precision')))
    evaluator = Evaluator(metric)
    for start in range(0, len(samples), 7):
        evaluator.process(samples[start : start + 7])
    return evaluator.evaluate(len(samples))


def test_equals_scikit_learn_if_classes_are_missing():
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 30, (40,), generator=generator).tolist()
    wrong = torch.randint(0, 50, (40,), generator=generator).tolist()
    predicted = [t if i % 3 else w for i, (t, w) in enumerate(zip(target, wrong, strict=True))]
    assert len({*target, *predicted}) < 50 and set(predicted) - set(target)
    results = evaluate(target, predicted, 50)
    expected = f1_score(target, predicted, average='macro', zero_division=0)
    assert results['single-label/f1-score'] == pytest.approx(100 * expected, abs=1e-4)
    expected = precision_score(target, predicted, average='macro', zero_division=0)
    assert results['single-label/precision'] == pytest.approx(100 * expected, abs=1e-4)


def test_a_perfect_model_reaches_100_percent():
    target = [0, 2, 2, 5]
    assert evaluate(target, target, 9)['single-label/f1-score'] == 100
    parent = evaluate(target, target, 9, 'SingleLabelMetric')
    assert parent['single-label/f1-score'] == pytest.approx(100 * 3 / 9)


def test_equals_mmpretrain_if_all_classes_occur():
    target, predicted = [0, 1, 2, 0, 1, 2], [0, 1, 1, 0, 2, 2]
    ours = evaluate(target, predicted, 3)
    assert ours == pytest.approx(evaluate(target, predicted, 3, 'SingleLabelMetric'))
