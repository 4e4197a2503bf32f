# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.stats import chi2

from mmfer.synth import Difficulty, sample_labels


@pytest.fixture(scope='module')
def labels():
    return [sample_labels(0, 'train', index, 10) for index in range(2100)]


def test_expressions_are_balanced(labels):
    counts = np.bincount([label.expression for label in labels], minlength=7)
    assert counts.tolist() == [300] * 7


@pytest.mark.parametrize('other', ['identity', 'age'])
def test_expression_is_independent_of(labels, other):
    values = np.array([getattr(label, other) for label in labels])
    groups = values if other == 'identity' else np.digitize(values, [12, 25, 40, 60])
    table = np.zeros((7, groups.max() + 1))
    np.add.at(table, ([label.expression for label in labels], groups), 1)
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    statistic = ((table - expected) ** 2 / expected).sum()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    assert chi2.sf(statistic, freedom) > 0.01


def test_ages_and_identities_cover_their_range(labels):
    ages = [label.age for label in labels]
    assert 1 <= min(ages) <= 3 and 100 <= max(ages) <= 116
    assert {label.identity for label in labels} == set(range(10))


@pytest.mark.parametrize('wrong', [dict(pose=-1), dict(occlusion=1.5), dict(light='much')])
def test_wrong_strengths_are_named(wrong):
    with pytest.raises(ValueError, match=f'difficulty.{next(iter(wrong))}'):
        Difficulty(**wrong)
