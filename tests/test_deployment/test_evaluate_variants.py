# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmengine.config import Config
from task_models import write_task

from mmfer.deployment.metrics import evaluate_variants
from mmfer.registry import DATASETS


@pytest.fixture
def cfg(tmp_path):
    def make(task, *metrics):
        cfg = Config.fromfile(write_task(tmp_path, task, num=12)[0])
        cfg.test_evaluator = list(metrics)
        return cfg

    return make


def test_accuracies_of_two_forms(cfg):
    cfg = cfg('expression', dict(type='Accuracy', topk=(1,)))
    labels = [int(sample['data_samples'].gt_label) for sample in DATASETS.build(dataset_of(cfg))]
    seen = []

    def always(label):
        def answers(pictures):
            seen.append(len(pictures))
            scores = torch.zeros(len(pictures), 7)
            scores[:, label] = 1
            return dict(scores=scores)

        return answers

    metrics, count = evaluate_variants(cfg, dict(a=always(0), b=always(labels[0])))
    assert count == 12 and seen == [5, 5, 5, 5, 2, 2]  # both in one pass
    assert metrics['a']['accuracy/top1'] == pytest.approx(100 * labels.count(0) / 12)
    assert metrics['b']['accuracy/top1'] == pytest.approx(100 * labels.count(labels[0]) / 12)


def test_some_of_the_pictures(cfg):
    cfg = cfg('age', dict(type='AgeError'))
    ages = [sample['data_samples'].gt_age for sample in DATASETS.build(dataset_of(cfg))]
    metrics, count = evaluate_variants(
        cfg, dict(forty=lambda pictures: dict(age=torch.full((len(pictures),), 40.0))), num=3
    )
    assert count == 3
    expected = np.abs(np.array([ages[0], ages[6], ages[11]]) - 40).mean()
    assert metrics['forty']['age/mae'] == pytest.approx(expected, rel=1e-5)


def test_a_config_without_a_dataset_of(cfg):
    cfg = cfg('age', dict(type='AgeError'))
    cfg.pop('test_dataloader')
    with pytest.raises(ValueError, match='no test_dataloader'):
        evaluate_variants(cfg, {})


def dataset_of(cfg):
    return cfg.test_dataloader.dataset
