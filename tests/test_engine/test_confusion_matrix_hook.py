# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpretrain.structures import DataSample

from mmfer.datasets import EXPRESSIONS
from mmfer.engine.hooks import ConfusionMatrixHook
from mmfer.evaluation.confusion_matrix_file import read_confusion_matrix
from mmfer.visualization.confusion_matrix import draw_confusion_matrix

TRUE = [0, 1, 2, 3, 4, 5, 6, 4, 4, 6]
PREDICTED = [0, 1, 3, 3, 4, 5, 4, 4, 6, 6]


class Answers(BaseDataset):
    METAINFO = dict(classes=EXPRESSIONS)

    def load_data_list(self):
        return [dict(label=t, answer=p) for t, p in zip(TRUE, PREDICTED, strict=True)]

    def prepare_data(self, idx):
        info = self.get_data_info(idx)
        scores = torch.eye(7)[info['answer']]
        return dict(sample=DataSample().set_gt_label(info['label']).set_pred_score(scores))


class Repeater(BaseModel):
    def forward(self, sample, mode):
        return sample


@pytest.fixture
def runner(tmp_path):
    loader = dict(
        dataset=Answers(), batch_size=4, sampler=dict(type='DefaultSampler', shuffle=False)
    )
    metrics = [dict(type='Accuracy'), dict(type='MeanClassAccuracy'), dict(type='ConfusionMatrix')]
    runner = Runner(
        Repeater(),
        work_dir=str(tmp_path),
        val_dataloader=loader,
        val_cfg=dict(),
        val_evaluator=metrics,
        test_dataloader=loader,
        test_cfg=dict(),
        test_evaluator=metrics,
        default_hooks=dict(confusion_matrix=dict(type='ConfusionMatrixHook')),
        default_scope='mmfer',
        experiment_name=tmp_path.name,
        log_level='ERROR',
        cfg=Config(),
    )
    yield runner
    runner.visualizer.close()


def test_people_are_counted_but_not_drawn(tmp_path):
    # Hundreds of classes would take hours.
    people = tuple(f'person {number}' for number in range(500))
    dataset = SimpleNamespace(metainfo=dict(classes=people))
    test = SimpleNamespace(
        work_dir=str(tmp_path),
        test_dataloader=SimpleNamespace(dataset=dataset),
        logger=MMLogger.get_current_instance(),
    )
    matrix = np.eye(500, dtype=int)
    ConfusionMatrixHook().after_test_epoch(test, {'confusion_matrix/result': matrix})
    assert [path.name for path in tmp_path.iterdir()] == ['confusion_matrix.csv']
    found, classes = read_confusion_matrix(tmp_path / 'confusion_matrix.csv')
    assert (found == matrix).all() and classes == people


def expected_matrix():
    matrix = np.zeros((7, 7), int)
    for true, predicted in zip(TRUE, PREDICTED, strict=True):
        matrix[true, predicted] += 1
    return matrix.tolist()


def test_image_and_table_are_written_after_the_test(runner, tmp_path):
    metrics = runner.test()
    image = cv2.imread(str(tmp_path / 'confusion_matrix.png'))
    assert min(image.shape[:2]) > 800 and image.std() > 10

    header, *rows = csv.reader((tmp_path / 'confusion_matrix.csv').open())
    assert header == ['true \\ predicted', *EXPRESSIONS]
    assert [row[0] for row in rows] == list(EXPRESSIONS)
    assert [[int(cell) for cell in row[1:]] for row in rows] == expected_matrix()
    assert metrics['accuracy/top1'] == pytest.approx(70)


def test_the_matrix_goes_through_mmengines_log(runner, tmp_path):
    runner.test()
    (log,) = tmp_path.glob('*/*.json')
    assert json.loads(log.read_text())['confusion_matrix/result'] == expected_matrix()


def test_validation_survives_the_matrix_and_writes_nothing(runner, tmp_path):
    runner.val()
    assert not list(tmp_path.glob('confusion_matrix*'))


def test_without_the_metric_nothing_is_written(runner, tmp_path):
    (hook,) = (h for h in runner.hooks if type(h).__name__ == 'ConfusionMatrixHook')
    hook.after_test_epoch(runner, {'accuracy/top1': 70.0})
    hook.after_test_epoch(runner, None)
    assert not list(tmp_path.glob('confusion_matrix*'))


def test_cells_show_counts_and_shares_of_the_row():
    figure = draw_confusion_matrix(np.array([[3, 1], [0, 0]]), ['a', 'b'], title='title')
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ['75.0 %\n3', '25.0 %\n1', '0.0 %\n0', '0.0 %\n0']
    assert [label.get_text() for label in axes.get_yticklabels()] == ['a (4)', 'b (0)']
    assert axes.get_title() == 'title'


def test_text_stands_out_from_its_cell():
    figure = draw_confusion_matrix(np.array([[9, 1], [6, 4]]), ['a', 'b'])
    axes = figure.axes[0]
    image = axes.get_images()[0]
    for text, value in zip(axes.texts, image.get_array().flatten(), strict=True):
        background = np.dot(image.cmap(image.norm(value))[:3], [0.299, 0.587, 0.114])
        ink = 1.0 if text.get_color() == 'white' else 0.0
        assert abs(ink - background) > 0.4


def test_a_matrix_of_another_size_is_an_error():
    with pytest.raises(ValueError, match='classes'):
        draw_confusion_matrix(np.eye(3, dtype=int), ['a', 'b'])
