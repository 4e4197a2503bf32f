# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A tiny model and dataset, for tests of training."""

import copy
import itertools
import random

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils.data import Dataset

from mmfer.categories import EXPRESSIONS
from mmfer.registry import DATASETS, FUNCTIONS, METRICS, MODELS

_RUNS = itertools.count()


@DATASETS.register_module()
class ToyFaces(Dataset):
    """``size`` labeled vectors of 4 numbers, plus noise from every random generator."""

    def __init__(self, size=12, classes=EXPRESSIONS, noise=0.1, nan_at=-1, **unused):
        values = np.random.default_rng(0)
        self.vectors = values.normal(size=(size, 4)).astype(np.float32)
        self.labels = values.integers(0, len(classes), size)
        self.metainfo = {'classes': tuple(classes)}
        self.noise, self.nan_at = noise, nan_at

    def full_init(self):
        pass  # MMEngine's wrappers call it

    def get_cat_ids(self, index):
        return [int(self.labels[index])]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(4)
        vector = torch.from_numpy(self.vectors[index]) + self.noise * noise
        if index == self.nan_at:
            vector = vector * float('nan')
        sample = DataSample(metainfo={'img_path': f'faces/{index}.png'})
        return {'inputs': vector, 'data_samples': sample.set_gt_label(int(self.labels[index]))}


@MODELS.register_module()
class ToyModel(BaseModel):
    """Linear, BatchNorm, dropout, linear; ``width`` changes all shapes."""

    def __init__(self, num_classes=7, width=8, dropout=0.2, norm=True, **kwargs):
        super().__init__(**kwargs)
        self.backbone = nn.Sequential(
            nn.Linear(4, width), nn.BatchNorm1d(width) if norm else nn.Identity()
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, num_classes)
        self.head.num_classes = num_classes  # as mmpretrain's heads have

    def forward(self, inputs, data_samples=None, mode='tensor'):
        logits = self.head(self.dropout(self.backbone(torch.stack(list(inputs)))))
        if mode == 'loss':
            labels = torch.cat([sample.gt_label for sample in data_samples])
            return {'loss': nn.functional.cross_entropy(logits, labels)}
        for sample, row in zip(data_samples, logits, strict=True):
            sample.set_pred_score(row.softmax(0)).set_pred_label(row.argmax())
        return data_samples


@METRICS.register_module()
class ToyAccuracy(BaseMetric):
    """Accuracy in percent."""

    def process(self, data_batch, data_samples):
        self.results += [int(s['pred_label'] == s['gt_label']) for s in data_samples]

    def compute_metrics(self, results):
        return {'accuracy': 100 * sum(results) / len(results)}


@FUNCTIONS.register_module()
def toy_worker_init_fn(worker_id, **unused):
    """Seed Python and numpy in a worker from torch, whose seed depends on worker and epoch."""
    random.seed(torch.initial_seed())
    np.random.seed(torch.initial_seed() % 2**32)


def toy_config(work_dir, runtime, **changes):
    """Return a config of a toy run of 4 epochs with 3 iterations each.

    Args:
        work_dir: Output folder.
        runtime: The file ``default_runtime.py``.
        changes: Overrides, with ``__`` instead of dots in the keys.
    """
    cfg = Config.fromfile(runtime)
    loader = dict(
        batch_size=4,
        num_workers=0,
        dataset=dict(type='ToyFaces'),
        sampler=dict(type='DefaultSampler', shuffle=True),
        worker_init_fn=dict(type='mmfer.toy_worker_init_fn'),
    )
    cfg.merge_from_dict(
        dict(
            work_dir=str(work_dir),
            # MMEngine shares logs between runs with the same name that start in the same second.
            experiment_name=f'toy_{next(_RUNS)}',
            log_level='WARNING',
            model=dict(type='ToyModel'),
            train_dataloader=loader,
            val_dataloader=loader,
            test_dataloader=loader,
            train_cfg=dict(by_epoch=True, max_epochs=4, val_interval=1),
            val_cfg=dict(),
            test_cfg=dict(),
            val_evaluator=dict(type='ToyAccuracy'),
            test_evaluator=dict(type='ToyAccuracy'),
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4),
                clip_grad=dict(max_norm=10),
            ),
            param_scheduler=[dict(type='CosineAnnealingLR', T_max=4, by_epoch=True)],
            randomness=dict(seed=0, deterministic=True),
        )
    )
    cfg.merge_from_dict({k.replace('__', '.'): copy.deepcopy(v) for k, v in changes.items()})
    return cfg
