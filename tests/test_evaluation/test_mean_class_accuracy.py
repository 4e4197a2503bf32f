# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmpretrain.structures import DataSample
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from mmfer.datasets import EXPRESSIONS
from mmfer.evaluation import MeanClassAccuracy
from mmfer.registry import EVALUATORS

METRICS = [
    dict(type='Accuracy', topk=(1,)),
    dict(type='MeanClassAccuracy'),
    dict(type='SingleLabelMetric', items=('f1-score',)),
]


def predictions(num=200, classes=7, seed=0):
    """Scores and labels of which about half agree, with very unequal classes."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.tensor([0.05, 0.05, 0.02, 0.15, 0.4, 0.13, 0.2])[:classes]
    labels = torch.multinomial(shares, num, replacement=True, generator=generator)
    noise = torch.rand(num, classes, generator=generator)
    scores = (noise + torch.nn.functional.one_hot(labels, classes) * 0.5).softmax(1)
    return scores, labels


def as_samples(scores, labels):
    return [
        DataSample().set_pred_score(score).set_gt_label(label)
        for score, label in zip(scores, labels, strict=True)
    ]


def evaluate(scores, labels, metrics=METRICS, batch=16):
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=metrics))
    evaluator.dataset_meta = dict(classes=EXPRESSIONS)
    samples = as_samples(scores, labels)
    for start in range(0, len(samples), batch):
        evaluator.process(samples[start : start + batch])
    return evaluator.evaluate(len(samples))


def test_all_numbers_equal_scikit_learn():
    scores, labels = predictions()
    predicted = scores.argmax(1)
    results = evaluate(scores, labels)
    assert results['accuracy/top1'] == pytest.approx(100 * accuracy_score(labels, predicted))
    assert results['class_accuracy/mean'] == pytest.approx(
        100 * balanced_accuracy_score(labels, predicted), abs=1e-9
    )
    assert results['single-label/f1-score'] == pytest.approx(
        100 * f1_score(labels, predicted, average='macro'), rel=1e-5
    )
    recalls = recall_score(labels, predicted, average=None)
    for name, recall in zip(EXPRESSIONS, recalls, strict=True):
        assert results[f'class_accuracy/{name}'] == pytest.approx(100 * recall)


def test_classes_without_samples_are_omitted():
    scores, labels = predictions()
    kept = labels != EXPRESSIONS.index('Fear')
    results = evaluate(scores[kept], labels[kept], metrics=[dict(type='MeanClassAccuracy')])
    assert 'class_accuracy/Fear' not in results and len(results) == 7
    assert results['class_accuracy/mean'] == pytest.approx(
        100 * balanced_accuracy_score(labels[kept], scores[kept].argmax(1))
    )


def test_results_are_plain_numbers():
    results = evaluate(*predictions())
    assert all(type(value) is float for value in results.values())


def test_without_class_names_the_indices_are_the_names():
    metric = MeanClassAccuracy()
    metric.process(None, [sample.to_dict() for sample in as_samples(*predictions(classes=3))])
    assert set(metric.evaluate(200)) == {
        'class_accuracy/mean',
        'class_accuracy/0',
        'class_accuracy/1',
        'class_accuracy/2',
    }


def test_padding_of_the_last_batch_is_dropped():
    # A distributed sampler repeats samples to give every process the same number.
    scores, labels = predictions(num=50)
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=METRICS))
    evaluator.dataset_meta = dict(classes=EXPRESSIONS)
    evaluator.process(as_samples(scores, labels))
    assert evaluator.evaluate(50) == evaluate(scores, labels)
