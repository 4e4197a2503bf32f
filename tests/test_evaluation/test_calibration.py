# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.evaluation.functional.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from mmfer.registry import EVALUATORS


def drawn(num=4000, classes=8, temperature=1.0):
    """Return logits, and labels drawn from their probabilities at a temperature."""
    logits = 2 * torch.randn(num, classes, dtype=torch.double)
    labels = torch.multinomial((logits / temperature).softmax(1), 1).squeeze(1)
    return logits, labels


def slow_error(scores, labels, bins):
    """Reference: the definition, image by image."""
    total = 0
    for number in range(bins):
        inside = [
            (max(row), int(np.argmax(row) == label))
            for row, label in zip(scores.tolist(), labels.tolist(), strict=True)
            if number / bins < max(row) <= (number + 1) / bins
        ]
        if inside:
            confidence, accuracy = np.mean(inside, axis=0)
            total += len(inside) * abs(confidence - accuracy)
    return 100 * total / len(labels)


@pytest.mark.parametrize('bins', [1, 7, 15])
def test_error_equals_the_definition(bins):
    logits, labels = drawn(500, temperature=2)
    scores = logits.softmax(1)
    assert expected_calibration_error(scores, labels, bins) == pytest.approx(
        slow_error(scores, labels, bins)
    )


def test_bins():
    scores = torch.tensor([[0.8, 0.2], [0.75, 0.25], [0.1, 0.9], [0.5, 0.5]])
    found = reliability(scores, torch.tensor([0, 1, 1, 0]), bins=4)
    assert found.counts.tolist() == [0, 1, 1, 2]
    assert found.confidence[1:].tolist() == pytest.approx([0.5, 0.75, 0.85])
    assert found.accuracy[1:].tolist() == [1, 0, 1]
    assert found.error == pytest.approx(100 * (0.5 + 0.75 + 2 * 0.15) / 4)


def test_edges():
    certain = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert expected_calibration_error(certain, torch.tensor([0, 1])) == 0
    assert expected_calibration_error(certain, torch.tensor([1, 0])) == 100
    for scores, bins in ((certain[:0], 15), (certain, 0)):
        with pytest.raises(ValueError, match='bins'):
            reliability(scores, torch.zeros(len(scores), dtype=torch.long), bins)


@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.0])
def test_fits_the_temperature_of_the_labels(temperature):
    logits, labels = drawn(20_000, temperature=temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_is_better():
    logits, labels = drawn(temperature=1.7)
    best = fit_temperature(logits.float(), labels)

    def loss(t):
        return torch.nn.functional.cross_entropy(logits / t, labels).item()

    assert all(loss(best) < loss(best * factor) for factor in (0.9, 0.99, 1.01, 1.1))
    before, after = (expected_calibration_error((logits / t).softmax(1), labels) for t in (1, best))
    assert after < before / 4


def test_temperature_and_scale_are_inverse():
    logits, labels = drawn()
    assert fit_temperature(50 * logits, labels) == pytest.approx(
        50 * fit_temperature(logits, labels)
    )


def test_logits_without_a_temperature():
    logits, labels = drawn()
    with pytest.raises(ValueError, match='correctly'):
        fit_temperature(logits, logits.argmax(1))
    for given, true in ((-logits, labels), (logits[:0], labels[:0])):
        with pytest.raises(ValueError, match='order'):
            fit_temperature(given, true)


class TestMetric:
    def evaluate(self, metric, samples):
        evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=[metric]))
        evaluator.process(samples[:30])
        evaluator.process(samples[30:])
        return evaluator.evaluate(len(samples))

    def samples(self, num=50):
        logits, labels = drawn(num, temperature=2)
        scores = logits.softmax(1)
        made = [
            # For soft labels the class is used.
            DataSample().set_pred_score(score).set_gt_label(label).set_gt_score(score)
            for score, label in zip(scores, labels, strict=True)
        ]
        return made, scores, labels

    def test_result(self):
        made, scores, labels = self.samples()
        for bins in (15, 5):
            assert self.evaluate(dict(type='CalibrationError', bins=bins), made) == {
                'calibration/ece': pytest.approx(expected_calibration_error(scores, labels, bins))
            }

    def test_unlabeled_samples_need_labeled_only(self):
        made, scores, labels = self.samples()
        metric = dict(type='LabeledOnly', metric=dict(type='CalibrationError'))
        for sample in made[:10]:
            sample.set_gt_label(-1)
        expected = expected_calibration_error(scores[10:], labels[10:])
        assert self.evaluate(metric, made) == {'calibration/ece': pytest.approx(expected)}

    def test_wrong_uses(self):
        with pytest.raises(ValueError, match='bins'):
            EVALUATORS.build(
                dict(type='Evaluator', metrics=[dict(type='CalibrationError', bins=0)])
            )
        with pytest.raises(ValueError, match='pred_score'):
            self.evaluate(dict(type='CalibrationError'), [DataSample().set_gt_label(1)])
