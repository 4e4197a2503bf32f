# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmpretrain.structures import DataSample
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from mmfer.datasets import EXPRESSIONS
from mmfer.registry import EVALUATORS, METRICS

INNER = [
    dict(type='Accuracy', topk=(1, 2)),
    dict(type='MeanClassAccuracy'),
    dict(type='SingleLabelMetric', items=('f1-score',)),
    dict(type='ConfusionMatrix'),
]


def predictions(num=80, unlabeled=0.4):
    scores = torch.rand(num, 7).softmax(1)
    labels = torch.where(torch.rand(num) < 0.5, scores.argmax(1), torch.randint(7, (num,)))
    labels[torch.rand(num) < unlabeled] = -1
    return scores, labels


def as_samples(scores, labels):
    return [
        DataSample().set_pred_score(score).set_pred_label(score.argmax()).set_gt_label(label)
        for score, label in zip(scores, labels, strict=True)
    ]


def evaluate(samples, size, metrics):
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=metrics))
    evaluator.dataset_meta = dict(classes=EXPRESSIONS)
    for start in range(0, len(samples), 16):
        evaluator.process(samples[start : start + 16])
    return evaluator.evaluate(size)


def wrapped(metrics=INNER):
    return [dict(type='LabeledOnly', metric=metric) for metric in metrics]


def test_all_numbers_equal_scikit_learn():
    scores, labels = predictions()
    results = evaluate(as_samples(scores, labels), 80, wrapped())
    known = labels >= 0
    assert 0 < known.sum() < 80
    truth, predicted = labels[known], scores[known].argmax(1)
    expected = {
        'accuracy/top1': accuracy_score(truth, predicted),
        'class_accuracy/mean': balanced_accuracy_score(truth, predicted),
        'single-label/f1-score': f1_score(truth, predicted, average='macro'),
    }
    for name, value in expected.items():
        assert results[name] == pytest.approx(100 * value, rel=1e-5)
    matrix = results['confusion_matrix/result'].numpy()
    assert (matrix == confusion_matrix(truth, predicted, labels=range(7))).all()
    assert 'class_accuracy/Anger' in results, 'the class names arrive'


def test_no_effect_if_all_samples_are_labeled():
    samples = as_samples(*predictions(unlabeled=0))
    plain, only = (evaluate(samples, 80, metrics) for metrics in (INNER, wrapped()))
    assert (plain.pop('confusion_matrix/result') == only.pop('confusion_matrix/result')).all()
    assert plain == only


def test_a_second_evaluation_starts_empty():
    metric = METRICS.build(wrapped(INNER[:1])[0])
    right = DataSample().set_pred_score([0.1, 0.9]).set_gt_label(1).to_dict()
    wrong = DataSample().set_pred_score([0.1, 0.9]).set_gt_label(0).to_dict()
    for sample, expected in ((right, 100), (wrong, 0)):
        metric.process(None, [sample])
        assert metric.evaluate(1)['accuracy/top1'] == expected


def test_nothing_labeled_is_an_error():
    scores, labels = predictions(unlabeled=2)
    with pytest.raises(ValueError, match='80 .* Accuracy'):
        evaluate(as_samples(scores, labels), 80, wrapped(INNER[:1]))


def test_metrics_that_store_no_labels_are_errors():
    metric = METRICS.build(dict(type='LabeledOnly', metric=dict(type='AgeError')))
    with pytest.raises(TypeError, match='AgeError .* gt_label'):
        metric.process(None, [dict(gt_age=3, pred_age=4)])
