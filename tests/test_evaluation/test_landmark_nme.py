# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.evaluation.functional.landmarks import (
    area_under_curve,
    failure_rate,
    normalized_mean_error,
)
from mmfer.registry import METRICS

ATTRIBUTES = ('pose', 'expression', 'illumination', 'makeup', 'occlusion', 'blur')


def faces(num=30, seed=0):
    """True and predicted points of faces, some predicted badly, and their attributes."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(20, 200, (num, 98, 2)).astype(np.float32)
    truth[:, 60], truth[:, 72] = [60, 90], [140, 95]
    spread = rng.uniform(0.5, 15, (num, 1, 1))
    pred = (truth + rng.normal(0, spread, truth.shape)).astype(np.float32)
    attributes = rng.integers(0, 2, (num, 6)).astype(np.uint8)
    attributes[:, 5] = 0  # a subset without faces
    return truth, pred, attributes


def as_samples(truth, pred, attributes=None):
    samples = []
    for index in range(len(truth)):
        sample = DataSample(metainfo=dict(img_path=f'faces/{index}.png'))
        sample.set_field(truth[index], 'gt_landmarks')
        sample.set_field(torch.from_numpy(pred[index]), 'pred_landmarks')
        if attributes is not None:
            sample.set_field(attributes[index], 'attributes', field_type='metainfo')
        samples.append(sample.to_dict())
    return samples


def evaluate(samples, dataset_meta=None, **kwargs):
    metric = METRICS.build(dict(type='LandmarkNME', **kwargs))
    metric.dataset_meta = dataset_meta
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def obvious_nme(truth, pred):
    """Reference: point by point, in percent."""
    errors = []
    for true_points, points in zip(truth.astype(float), pred.astype(float), strict=True):
        (x1, y1), (x2, y2) = true_points[60], true_points[72]
        eyes = ((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5
        total = 0
        for (x, y), (u, v) in zip(true_points, points, strict=True):
            total += ((x - u) ** 2 + (y - v) ** 2) ** 0.5
        errors.append(100 * total / 98 / eyes)
    return np.array(errors)


def test_all_numbers_equal_the_reference():
    truth, pred, _ = faces()
    nme = obvious_nme(truth, pred)
    assert 0 < (nme > 10).sum() < len(nme)
    np.testing.assert_allclose(normalized_mean_error(pred, truth), nme, rtol=1e-9)
    results = evaluate(as_samples(truth, pred))
    assert results == pytest.approx(
        {
            'landmark/nme': nme.mean(),
            'landmark/mae': np.abs(truth - pred).mean(),
            'landmark/failure_rate': 100 * (nme > 10).sum() / len(nme),
            'landmark/auc': _area_on_a_grid(nme, 10),
        },
        rel=1e-4,
    )
    assert all(type(value) is float for value in results.values())


def _area_on_a_grid(nme, threshold):
    """Reference: the common implementation, with a very fine grid."""
    steps = np.linspace(0, threshold, 200_001)
    share = np.searchsorted(np.sort(nme), steps, side='right') / len(nme)
    return np.sum((share[1:] + share[:-1]) / 2) * (steps[1] - steps[0]) / threshold


def test_a_shift_by_a_tenth_of_the_eyes_is_ten_percent():
    truth, _, _ = faces(1)
    truth[0, 72] = truth[0, 60] + [80, 0]
    shifted = truth + np.float32([0, 8])
    results = evaluate(as_samples(truth, shifted))
    assert results['landmark/nme'] == pytest.approx(10, rel=1e-5)
    assert results['landmark/mae'] == pytest.approx(
        4, rel=1e-5
    )  # x is correct, y has an error of 8


def test_an_error_equal_to_the_threshold_is_not_a_failure():
    nme = np.array([10.0, 10.1, 0.0, np.nan])
    assert failure_rate(nme) == 50
    assert area_under_curve(nme[:3]) == pytest.approx(1 / 3)


def test_subsets_by_attribute():
    truth, pred, attributes = faces()
    nme = obvious_nme(truth, pred)
    results = evaluate(as_samples(truth, pred, attributes), dict(attributes=ATTRIBUTES))
    for column, name in enumerate(ATTRIBUTES[:5]):
        members = nme[attributes[:, column] == 1]
        assert results[f'landmark/{name}/nme'] == pytest.approx(members.mean())
        assert results[f'landmark/{name}/failure_rate'] == pytest.approx(
            100 * (members > 10).mean()
        )
        assert f'landmark/{name}/auc' in results
    assert not any('blur' in key for key in results)
    assert len(results) == 4 + 5 * 3
    unnamed = evaluate(as_samples(truth, pred, attributes))
    assert unnamed['landmark/0/nme'] == results['landmark/pose/nme']


def test_threshold_and_eye_corners_are_arguments():
    truth, pred, _ = faces()
    results = evaluate(as_samples(truth, pred), threshold=5.0, eye_corners=(96, 97), prefix='p')
    nme = normalized_mean_error(pred, truth, (96, 97))
    assert results['p/nme'] == pytest.approx(nme.mean())
    assert results['p/failure_rate'] == pytest.approx(100 * (nme > 5).mean())


def test_coinciding_eye_corners_name_the_face():
    truth, pred, _ = faces(2)
    truth[1, 60] = truth[1, 72]
    with pytest.raises(ValueError, match=r'faces/1.png .*\[140.0, 95.0\]'):
        evaluate(as_samples(truth, pred))


def test_other_numbers_of_attributes_are_errors():
    samples = as_samples(*faces())
    with pytest.raises(ValueError, match='2 attributes.* 6 values'):
        evaluate(samples, dict(attributes=('pose', 'blur')))


@pytest.mark.parametrize('key', ['gt_landmarks', 'pred_landmarks'])
def test_missing_field_names_the_face_and_the_remedy(key):
    truth, pred, _ = faces(1)
    (sample,) = as_samples(truth, pred)
    del sample[key]
    remedy = {'gt_landmarks': 'algorithm_keys', 'pred_landmarks': 'LandmarkHead'}[key]
    with pytest.raises(ValueError, match=f'{key}.*faces/0.png.*{remedy}'):
        evaluate([sample])


def test_other_numbers_of_points_are_errors():
    truth, pred, _ = faces(1)
    with pytest.raises(ValueError, match=r'gt_landmarks \(98, 2\).*pred_landmarks \(68, 2\)'):
        evaluate(as_samples(truth, pred[:, :68]))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(threshold=0), 'threshold'),
        (dict(eye_corners=(60, 60)), 'eye_corners'),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        METRICS.build(dict(type='LandmarkNME', **arguments))
