# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmengine.config import Config
from task_models import write_task

from mmfer.deployment.evaluate import evaluate
from mmfer.deployment.exported import ExportedModel
from mmfer.registry import DATASETS


@pytest.fixture
def cfg(tmp_path):
    def make(task, *metrics):
        cfg = Config.fromfile(write_task(tmp_path, task, num=12)[0])
        cfg.test_evaluator = list(metrics)
        return cfg

    return make


class Constant(ExportedModel):
    """An exported model with the same outputs for every image."""

    def __init__(self, **outputs):
        preprocessing = dict(mean=[0.0] * 3, std=[1.0] * 3, order='BGR')
        super().__init__('input', outputs, dict(preprocessing=preprocessing), 'constant')
        self.values = [torch.tensor(value) for value in outputs.values()]
        self.seen = []

    def _run(self, inputs):
        self.seen.append(len(inputs))
        return [value.expand(len(inputs), *value.shape) for value in self.values]


def test_accuracy(cfg):
    cfg = cfg('expression', dict(type='Accuracy', topk=(1,)))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    labels = [int(sample['data_samples'].gt_label) for sample in dataset]
    for label in (0, labels[0]):
        model = Constant(scores=torch.eye(7)[label].tolist())
        metrics, count = evaluate(model, cfg)
        assert count == 12 and model.seen == [5, 5, 2]
        assert metrics['accuracy/top1'] == pytest.approx(100 * labels.count(label) / 12)


def test_some_of_the_images(cfg):
    cfg = cfg('age', dict(type='AgeError'))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    ages = [sample['data_samples'].gt_age for sample in dataset]
    metrics, count = evaluate(Constant(age=40.0), cfg, num=3)
    assert count == 3
    expected = np.abs(np.array([ages[0], ages[6], ages[11]]) - 40).mean()
    assert metrics['age/mae'] == pytest.approx(expected, rel=1e-5)


def test_images_at_the_size_that_the_model_takes(cfg):
    model = Constant(scores=[1.0] * 7)
    model.facts['input_size'] = [48, 64]
    metrics, _ = evaluate(model, cfg('expression', dict(type='Accuracy', topk=(7,))))
    assert metrics['accuracy/top7'] == 100
    model = Constant(landmarks=torch.zeros(98, 2).tolist())
    model.facts['input_size'] = [48, 64]
    with pytest.raises(ValueError, match='32x32.*48x64'):
        evaluate(model, cfg('landmarks', dict(type='LandmarkNME')))


def test_a_config_without_a_test_set(cfg):
    cfg = cfg('age', dict(type='AgeError'))
    cfg.pop('test_dataloader')
    with pytest.raises(ValueError, match='test_dataloader'):
        evaluate(Constant(age=40.0), cfg)
