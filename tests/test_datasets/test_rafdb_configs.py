# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.datasets import BaseDataset
from rafdb_tree import write_rafdb

from mmfer.datasets import EXPRESSIONS
from mmfer.registry import DATASETS, METRICS, MODELS

# Images per class in RAF-DB's training list.
RAFDB_COUNTS = dict(
    Surprise=1290, Fear=281, Disgust=717, Happiness=4772, Sadness=1982, Anger=705, Neutral=2524
)


@pytest.fixture(params=['rafdb_112', 'rafdb_112_holdout', 'rafdb-crops_112'])
def config(request, repo_root, tmp_path):
    root = write_rafdb(tmp_path, train=[1, 2, 3, 4, 5, 6, 7] * 3, test=[1, 2, 3, 4, 5, 6, 7])
    config = Config.fromfile(repo_root / f'configs/_base_/datasets/{request.param}.py')
    config.name = request.param
    config.train_dataloader.dataset.dataset.data_root = str(root)
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.dataset.data_root = str(root)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False, pin_memory=False)
    return config


class Counts(BaseDataset):
    """RAF-DB's labels without its images."""

    METAINFO = dict(classes=EXPRESSIONS)

    def __init__(self):
        super().__init__(ann_file='', metainfo=None)

    def load_data_list(self):
        return [
            dict(gt_label=EXPRESSIONS.index(name))
            for name, count in RAFDB_COUNTS.items()
            for _ in range(count)
        ]


def test_oversampling_reaches_the_published_number(repo_root):
    config = Config.fromfile(repo_root / 'configs/_base_/datasets/rafdb_112.py')
    wrapper = {**config.train_dataloader.dataset, 'dataset': Counts()}
    dataset = DATASETS.build(wrapper)
    assert len(dataset.dataset) == 12_271
    assert len(dataset) == 15_545
    assert dataset.metainfo['classes'] == EXPRESSIONS
    labels = [dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))]
    times = np.bincount(labels) / [RAFDB_COUNTS[name] for name in EXPRESSIONS]
    assert dict(zip(EXPRESSIONS, times, strict=True)) == dict(
        Fear=3, Disgust=2, Anger=2, Surprise=2, Happiness=1, Sadness=1, Neutral=1
    )


def test_loaders_and_preprocessor_work_together(config):
    preprocessor = MODELS.build(config.data_preprocessor)
    for split, training in (('train', True), ('val', False), ('test', False)):
        loader = Runner.build_dataloader(config[f'{split}_dataloader'], seed=0)
        assert loader.dataset.metainfo['classes'] == EXPRESSIONS
        batch = next(iter(loader))
        assert batch['inputs'].dtype == torch.uint8, 'four times less to hand over than float32'
        data = preprocessor(batch, training=training)
        assert data['inputs'].shape[1:] == (3, 112, 112)
        assert data['inputs'].dtype == torch.float32
        assert data['inputs'].shape[0] == len(data['data_samples']) == len(loader.dataset)


def test_splits(config):
    lengths = {
        split: len(DATASETS.build(config[f'{split}_dataloader'].dataset))
        for split in ('val', 'test')
    }
    train = len(DATASETS.build(config.train_dataloader.dataset.dataset))
    if config.name != 'rafdb_112_holdout':
        assert (train, lengths) == (21, dict(val=7, test=7))
        assert config.val_dataloader.dataset.split == 'test'
    else:
        assert (train, lengths) == (14, dict(val=7, test=7))
        assert config.val_dataloader.dataset.split == 'val'
        assert config.test_dataloader.dataset.split == 'test'


@pytest.mark.parametrize(
    ('name', 'folder'),
    [
        ('rafdb_112', 'aligned_224'),
        ('rafdb_112_holdout', 'aligned_224'),
        ('rafdb_224', 'aligned_224'),
        ('rafdb-crops_112', 'aligned'),
        ('rafdb_64', 'aligned'),
    ],
)
def test_which_faces(repo_root, name, folder):
    config = Config.fromfile(repo_root / f'configs/_base_/datasets/{name}.py')
    for part in ('train', 'val', 'test'):
        dataset = config[f'{part}_dataloader'].dataset
        dataset = dataset.get('dataset', dataset)
        assert dataset.image_dir == f'Image/{folder}'
        assert dataset.image_name == ('{stem}_aligned.jpg' if folder == 'aligned' else '{stem}.jpg')


def test_metrics_can_be_built(config):
    for evaluator in (config.val_evaluator, config.test_evaluator):
        for metric in evaluator:
            METRICS.build(metric)
    names = [metric['type'] for metric in config.test_evaluator]
    assert names == ['Accuracy', 'MeanClassAccuracy', 'SingleLabelMetric', 'ConfusionMatrix']
