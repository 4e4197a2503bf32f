# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import itertools
import logging

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmpretrain.structures import DataSample
from sklearn.metrics import roc_auc_score, roc_curve

from mmfer.evaluation.functional.verification import intra_class_variance_to_mean
from mmfer.evaluation.pairs_file import find_pairs, read_pairs
from mmfer.registry import EVALUATORS, METRICS


def images(num=50, classes=8, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, num)
    features = rng.normal(size=(classes, 6))[labels] + rng.normal(size=(num, 6))
    return features.astype(np.float32), labels


def as_samples(features, labels=None):
    samples = []
    for index, feature in enumerate(features):
        sample = DataSample(metainfo=dict(img_path=f'data/cfp/person {index % 5}/{index}.jpg'))
        sample.set_field(torch.from_numpy(feature), 'feat')
        if labels is not None:
            sample.set_gt_label(int(labels[index]))
        samples.append(sample)
    return samples


def evaluate(samples, **kwargs):
    metric = dict(type='FaceVerification', **kwargs)
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=metric))
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))


def expected(features, pairs, same, fars):
    unit = features.astype(float) / np.linalg.norm(features.astype(float), axis=1, keepdims=True)
    scores = [unit[i] @ unit[j] for i, j in pairs]
    far, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    rates = {f'verification/tar@far={rate:g}': 100 * tar[far <= rate].max() for rate in fars}
    return {**rates, 'verification/auc': roc_auc_score(same, scores)}


def test_all_pairs_equal_scikit_learn():
    features, labels = images()
    results = evaluate(as_samples(features, labels), far=(0.01, 0.1))
    pairs = list(itertools.combinations(range(len(features)), 2))
    same = [labels[i] == labels[j] for i, j in pairs]
    for name, value in expected(features, pairs, same, (0.01, 0.1)).items():
        assert results[name] == pytest.approx(value, abs=1e-9)
    assert 0 < results['verification/eer'] < 50
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = [1 - unit[i] @ unit[j] for (i, j), one in zip(pairs, same, strict=True) if one]
    assert results['verification/intra_class_variance'] == pytest.approx(np.mean(distances))
    assert results['verification/intra_class_variance_to_mean'] == pytest.approx(
        intra_class_variance_to_mean(features, labels)
    )
    assert results['verification/genuine_pairs'] == sum(same)
    assert len(results) == 7 and all(type(value) is float for value in results.values())


def test_pairs_from_a_file(tmp_path):
    features, labels = images()
    pairs = list(itertools.combinations(range(0, 50, 3), 2))
    same = [labels[i] == labels[j] for i, j in pairs]
    lines = [
        f'person {i % 5}/{i}.jpg\t{j}.jpg\t{int(one)}\n'
        for (i, j), one in zip(pairs, same, strict=True)
    ]
    path = tmp_path / 'pairs.txt'
    path.write_text('\n'.join(lines))
    results = evaluate(as_samples(features), pairs_file=str(path), far=0.1)
    for name, value in expected(features, pairs, same, (0.1,)).items():
        assert results[name] == pytest.approx(value, abs=1e-9)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = [1 - unit[i] @ unit[j] for (i, j), one in zip(pairs, same, strict=True) if one]
    assert results['verification/intra_class_variance'] == pytest.approx(np.mean(distances))
    assert results['verification/genuine_pairs'] == sum(same)
    assert 'verification/intra_class_variance_to_mean' not in results
    with_labels = evaluate(as_samples(features, labels), pairs_file=str(path))
    assert 'verification/intra_class_variance_to_mean' in with_labels


def test_too_few_pairs_for_a_rate_give_a_warning():
    features, labels = images()
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = MMLogger.get_instance('verification')
    logger.addHandler(handler)
    results = evaluate(as_samples(features, labels), far=(1e-5, 0.01))
    different = sum(labels[i] != labels[j] for i, j in itertools.combinations(range(50), 2))
    (message,) = [text for text in said if 'tar@far' in text]
    assert f'{different} pairs of two people' in message and 'at least 100000' in message
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    scores, same = unit @ unit.T, labels[:, None] == labels
    upper = np.triu(np.ones((50, 50), bool), 1)
    best_wrong = scores[upper & ~same].max()
    assert results['verification/tar@far=1e-05'] == pytest.approx(
        100 * (scores[upper & same] > best_wrong).mean()
    )


def test_missing_features_name_the_remedy():
    sample = DataSample(metainfo=dict(img_path='a.jpg')).set_gt_label(0)
    with pytest.raises(ValueError, match='feat.*a.jpg.*with_feat=True'):
        evaluate([sample])
    (sample,) = as_samples(np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match='gt_label'):
        evaluate([sample])


def test_features_that_are_not_finite_are_named():
    features, labels = images(3)
    features[1, 2] = np.nan
    with pytest.raises(ValueError, match='data/cfp/person 1/1.jpg'):
        evaluate(as_samples(features, labels))


@pytest.mark.parametrize('far', [0, 1.0, (0.1, 2), ()])
def test_rates_are_between_zero_and_one(far):
    with pytest.raises(ValueError, match='far must'):
        METRICS.build(dict(type='FaceVerification', far=far))


def test_errors_in_a_pairs_file_are_raised_at_construction(tmp_path):
    path = tmp_path / 'pairs.txt'
    with pytest.raises(FileNotFoundError, match='pairs.txt .*pairs_file'):
        METRICS.build(dict(type='FaceVerification', pairs_file=str(path)))
    path.write_text('a.jpg b.jpg 1\na.jpg b.jpg yes\n')
    with pytest.raises(ValueError, match='line 2: .*a.jpg b.jpg yes'):
        METRICS.build(dict(type='FaceVerification', pairs_file=str(path)))
    path.write_text('\n')
    with pytest.raises(ValueError, match='pairs.txt'):
        METRICS.build(dict(type='FaceVerification', pairs_file=str(path)))


def test_byte_order_mark_of_a_pairs_file_is_ignored(tmp_path):
    path = tmp_path / 'pairs.txt'
    for encoding in ('utf-8-sig', 'utf-16'):  # as written by editors on Windows
        path.write_text('a.jpg b.jpg 1\n', encoding=encoding)
        assert read_pairs(path)[0].first == 'a.jpg'


def test_contradicting_pairs_are_errors(tmp_path):
    path = tmp_path / 'pairs.txt'
    path.write_text('a.jpg b.jpg 1\na.jpg c.jpg 0\nb.jpg a.jpg 0\n')
    with pytest.raises(ValueError, match=r'pairs.txt, line 3: .*contradicts line 1'):
        read_pairs(path)


def test_images_are_matched_by_the_end_of_their_path(tmp_path):
    path = tmp_path / 'pairs.txt'
    path.write_text('x/1.jpg 2.jpg 0\n\ny/1.jpg data/x/1.jpg 1\n')
    indices, same = find_pairs(read_pairs(path), ['data/x/1.jpg', 'data/y/1.jpg', '2.jpg'])
    assert indices.tolist() == [[0, 2], [1, 0]] and same.tolist() == [False, True]


@pytest.mark.parametrize(
    ('name', 'message'),
    [('3.jpg', 'pairs_file .*3.jpg'), ('1.jpg', 'pairs_file .*several.*1.jpg')],
)
def test_images_that_cannot_be_found_are_named(tmp_path, name, message):
    path = tmp_path / 'pairs.txt'
    path.write_text(f'x/1.jpg {name} 0\n')
    with pytest.raises(ValueError, match=message):
        find_pairs(read_pairs(path), ['x/1.jpg', 'y/1.jpg'])
