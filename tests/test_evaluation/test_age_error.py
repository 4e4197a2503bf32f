# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from mmpretrain.structures import DataSample

from mmfer.registry import EVALUATORS, METRICS

TRUE = [1.0, 20.0, 35.5, 60.0, 116.0]
PREDICTED = [6.0, 22.0, 30.0, 60.0, 100.0]  # off by 5, 2, 5.5, 0 and 16 years


def samples(true=TRUE, predicted=PREDICTED):
    made = []
    for index, (age, pred) in enumerate(zip(true, predicted, strict=True)):
        sample = DataSample(metainfo=dict(img_path=f'faces/{index}.png'))
        sample.set_field(age, 'gt_age')
        sample.set_field(pred, 'pred_age')
        made.append(sample)
    return made


def evaluate(data, **kwargs):
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=dict(type='AgeError', **kwargs)))
    evaluator.process(data)
    return evaluator.evaluate(len(data))


def test_mean_error_and_share_within_five_years():
    results = evaluate(samples())
    # An error of exactly five years is within them.
    assert results == {'age/mae': pytest.approx(28.5 / 5), 'age/cs@5': pytest.approx(60)}
    assert all(type(value) is float for value in results.values())


def test_several_tolerances():
    results = evaluate(samples(), theta=(0, 2.5, 16))
    assert results == pytest.approx(
        {'age/mae': 5.7, 'age/cs@0': 20, 'age/cs@2.5': 40, 'age/cs@16': 100}
    )


def test_equals_numpy_for_arrays_of_any_kind():
    rng = np.random.default_rng(0)
    true, pred = rng.uniform(1, 116, 50), rng.uniform(1, 116, 50)
    results = evaluate(samples(list(true.astype(np.float64)), pred.tolist()))
    assert results['age/mae'] == pytest.approx(np.abs(true - pred).mean())
    assert results['age/cs@5'] == pytest.approx(100 * (np.abs(true - pred) <= 5).mean())


def test_missing_field_names_the_face_and_the_remedy():
    (sample,) = samples([3.0], [4.0])
    sample.pop('gt_age')
    with pytest.raises(ValueError, match=r"gt_age.*faces/0.png.*algorithm_keys=\('gt_age'"):
        evaluate([sample])


@pytest.mark.parametrize('theta', [-1, (), (5, -1)])
def test_negative_tolerances_are_errors(theta):
    with pytest.raises(ValueError, match='theta'):
        METRICS.build(dict(type='AgeError', theta=theta))
