# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.engine.hooks import SafeCheckpointHook
from mmfer.evaluation import CCC
from mmfer.evaluation.functional.concordance import (
    concordance_correlation,
    pearson_correlation,
    root_mean_square_error,
    sign_agreement,
)
from mmfer.registry import EVALUATORS

NAMES = ('valence', 'arousal')


def made(num=60, seed=0):
    """True and predicted numbers, (N, 2) float32, some of which are exactly 0."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(-1, 1, (num, 2))
    pred = np.clip(0.6 * true + 0.2 + rng.normal(0, 0.3, (num, 2)), -1, 1)
    true[:5, 0], pred[3:8, 0] = 0, 0
    return true.astype(np.float32), pred.astype(np.float32)


def as_samples(true, pred):
    samples = []
    for label, row in zip(true, pred, strict=True):
        sample = DataSample(metainfo=dict(img_path=f'{len(samples)}.jpg'))
        sample.set_field(label, 'gt_valence_arousal')
        sample.set_field(torch.from_numpy(row), 'pred_valence_arousal')
        samples.append(sample)
    return samples


def evaluate(true, pred):
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=[dict(type='CCC')]))
    evaluator.process(as_samples(true, pred))
    return evaluator.evaluate(len(true))


def slow_figures(true, pred):
    """Reference: all metrics, in loops over Python floats."""
    true, pred, num = true.tolist(), pred.tolist(), len(true)
    mean_true, mean_pred = math.fsum(true) / num, math.fsum(pred) / num
    var_true = math.fsum((t - mean_true) ** 2 for t in true) / num
    var_pred = math.fsum((p - mean_pred) ** 2 for p in pred) / num
    pairs = list(zip(true, pred, strict=True))
    covariance = math.fsum((t - mean_true) * (p - mean_pred) for t, p in pairs) / num
    return dict(
        ccc=2 * covariance / (var_true + var_pred + (mean_true - mean_pred) ** 2),
        pearson=covariance / math.sqrt(var_true * var_pred),
        rmse=math.sqrt(math.fsum((t - p) ** 2 for t, p in pairs) / num),
        sagr=sum((t > 0) - (t < 0) == (p > 0) - (p < 0) for t, p in pairs) / num,
    )


def test_all_metrics_equal_the_definitions():
    true, pred = made()
    results = evaluate(true, pred)
    expected = {}
    for column, name in enumerate(NAMES):
        for figure, value in slow_figures(true[:, column], pred[:, column]).items():
            expected[f'va/{figure}_{name}'] = value
    for figure in ('ccc', 'pearson', 'rmse', 'sagr'):
        expected[f'va/{figure}'] = np.mean([expected[f'va/{figure}_{name}'] for name in NAMES])
    assert results == pytest.approx(expected)
    assert all(type(value) is float for value in results.values())
    assert results['va/pearson_valence'] == pytest.approx(np.corrcoef(true[:, 0], pred[:, 0])[0, 1])


def test_ccc_detects_a_shift_and_a_scale():
    true = np.array([1.0, 2, 3, 4])
    assert concordance_correlation(true, true) == pytest.approx(1)
    assert concordance_correlation(true, -true + 5) == pytest.approx(-1)
    # var = 1.25: 2 * 1.25 / (2 * 1.25 + 1), and 2 * 2.5 / (1.25 + 5 + 2.5^2).
    assert concordance_correlation(true, true + 1) == pytest.approx(2.5 / 3.5)
    assert concordance_correlation(true, 2 * true) == pytest.approx(5 / 12.5)
    assert pearson_correlation(true, 2 * true + 1) == pytest.approx(1)


def test_zero_only_agrees_with_zero():
    assert sign_agreement([0, 0, 1, -1, 1], [0, 0.1, 0.2, -1, 0]) == 0.6
    assert root_mean_square_error([0, 0], [3, 4]) == pytest.approx(math.sqrt(12.5))


@pytest.mark.parametrize('pred', [[0.3] * 7, np.linspace(-1, 1, 7)])
def test_constants_have_no_correlation(pred):
    for true in (np.full(7, 0.3), np.full(7, -0.7)):
        assert concordance_correlation(true, pred) == pearson_correlation(true, pred) == 0


@pytest.mark.parametrize('none', [(np.nan, np.nan), (-2, -2), (-5, -5), (0.2, np.nan)])
def test_unlabeled_samples_are_ignored(none):
    true, pred = made()
    rows = np.arange(60) % 3 > 0
    fewer = evaluate(true[rows], pred[rows])
    true[~rows] = none
    assert evaluate(true, pred) == pytest.approx(fewer)


def test_nothing_labeled_is_an_error():
    true, pred = made()
    with pytest.raises(ValueError, match='CCC: .*60 '):
        evaluate(np.full_like(true, np.nan), pred)


def test_missing_field_and_other_shape_are_named():
    metric, (sample,) = CCC(), (sample.to_dict() for sample in as_samples(*made(1)))
    for key, hint in (('gt', 'algorithm_keys'), ('pred', 'ValenceArousalHead')):
        fewer = {name: value for name, value in sample.items() if not name.startswith(key)}
        with pytest.raises(ValueError, match=f'{key}_valence_arousal.*0.jpg.*{hint}'):
            metric.process(None, [fewer])
    with pytest.raises(ValueError, match=r'0.jpg.*\(1,\).*\(2,\)'):
        metric.process(None, [dict(sample, gt_valence_arousal=np.zeros(1))])


def test_the_checkpoint_hook_needs_a_rule():
    with pytest.raises(ValueError, match='rule .*va/ccc'):
        SafeCheckpointHook(interval=1, save_best='va/ccc')
    assert SafeCheckpointHook(interval=1, save_best='va/ccc', rule='greater').rules == ['greater']
