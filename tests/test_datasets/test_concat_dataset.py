# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Two expression sets as one, in all wrappers, in training."""

from collections import Counter

import pytest
import torch
from expression_trees import unanimous, write_ferplus, write_sfew
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rafdb_tree import write_rafdb
from torch import nn
from toy_training import ToyModel

from mmfer.datasets import EXPRESSIONS, EXPRESSIONS_8, ClassBalancedSampler
from mmfer.datasets.sample_classes import classes_of_samples
from mmfer.datasets.transforms import UnreadableImageError
from mmfer.registry import DATASETS, MODELS

LOAD = [dict(type='LoadFaceImage')]


@pytest.fixture
def sets(tmp_path):
    """Configs of an RAF-DB with fear in surplus and an SFEW of two images a class."""
    init_default_scope('mmfer')
    rafdb = write_rafdb(tmp_path / 'rafdb', [*range(1, 8), *[2] * 9])
    sfew = write_sfew(tmp_path / 'sfew', dict(Train=2, Val=1))
    return [
        dict(type='RAFDB', data_root=str(rafdb), pipeline=LOAD),
        dict(type='SFEW', data_root=str(sfew), pipeline=LOAD),
    ]


def concat(sets, **options):
    return dict(type='ConcatDataset', datasets=sets, **options)


def build(cfg):
    return DATASETS.build(cfg)


def labels(dataset):
    return [dataset[index]['gt_label'] for index in range(len(dataset))]


def test_sets_of_different_origin_are_one(sets):
    both = build(concat(sets))
    assert len(both) == 16 + 14 and both.metainfo['classes'] == EXPRESSIONS
    assert labels(both) == [label for cfg in sets for label in build(cfg).get_gt_labels()]
    assert [both.get_cat_ids(i) for i in range(30)] == [[label] for label in labels(both)]
    assert len(build(concat(sets, lazy_init=True))) == 30


def test_other_classes_are_refused_with_the_way_out(sets, tmp_path):
    votes = [('Training', unanimous(column)) for column in range(8)]
    ferplus = dict(type='FERPlus', data_root=str(write_ferplus(tmp_path / 'f', votes)))
    with pytest.raises(
        ValueError, match=r'datasets\[1\] \(FERPlus\).*classes=\[.*Contempt'
    ) as error:
        build(concat([sets[0], ferplus]))
    assert 'datasets[0] (RAFDB)' in str(error.value)
    wide = [dict(cfg, classes=EXPRESSIONS_8) for cfg in (sets[0], ferplus)]
    assert build(concat(wide)).metainfo['classes'] == EXPRESSIONS_8
    turned = dict(sets[1], classes=EXPRESSIONS[::-1])
    with pytest.raises(ValueError, match='do not mean the same'):
        build(concat([sets[0], turned]))
    both = build(concat([dict(sets[0], classes=EXPRESSIONS[::-1]), turned]))
    assert labels(both) == [6 - label for label in labels(build(concat(sets)))]
    assert len(build(concat([sets[0], turned], ignore_keys='classes'))) == 30


def test_other_tasks_and_nothing_are_refused(sets):
    age = dict(type='SynthFace', num_samples=2, task='age')
    with pytest.raises(ValueError, match=r'datasets\[1\] \(SynthFace\) has the classes None'):
        build(concat([sets[0], age]))
    with pytest.raises(ValueError, match='datasets is empty'):
        build(concat([]))


@pytest.mark.parametrize('times', [1, 2])
def test_balancing_is_that_of_all_samples(sets, times):
    inner = concat([dict(type='RepeatDataset', times=times, dataset=cfg) for cfg in sets])
    light = build(dict(type='ClassBalancedDataset', oversample_thr=1.0, dataset=inner))
    heavy = build(dict(type='FullyBalancedDataset', dataset=inner))
    counts = Counter(labels(build(concat(sets))))
    assert len(counts) == 7 and max(counts.values()) == 12
    for dataset in (light, heavy):
        got = Counter(labels(dataset))
        assert min(got.values()) > times * min(counts.values())
        assert classes_of_samples(dataset) == [{label} for label in labels(dataset)]
    assert min(Counter(labels(heavy)).values()) == 12 * times
    drawn = list(ClassBalancedSampler(build(inner), seed=0))
    assert len(drawn) == 30 * times


def test_light_balancing_is_mmengines(sets):
    ours, theirs = (
        build(dict(type=f'{scope}ClassBalancedDataset', oversample_thr=0.7, dataset=sets[0]))
        for scope in ('', 'mmengine.')
    )
    assert type(ours) is not type(theirs) and ours.repeat_indices == theirs.repeat_indices


@pytest.mark.parametrize('seed', [None, 3])
def test_folds_of_both(sets, seed):
    whole = build(concat(sets))
    paths = [whole.get_data_info(index)['img_path'] for index in range(30)]
    found = []
    for fold in range(3):
        parts = [
            build(
                dict(
                    type='KFoldDataset',
                    dataset=concat(sets),
                    fold=fold,
                    num_splits=3,
                    seed=seed,
                    test_mode=test_mode,
                )
            )
            for test_mode in (False, True)
        ]
        for part in parts:
            own = [part.get_data_info(index)['img_path'] for index in range(len(part))]
            assert own == [paths[part._get_ori_dataset_idx(i)] for i in range(len(part))]
            assert [sample['img_path'] for sample in (part[i] for i in range(len(part)))] == own
            assert classes_of_samples(part) == [{part.get_cat_ids(i)[0]} for i in range(len(part))]
        found += own
        assert len(parts[0]) == 20 and len(parts[1]) == 10
    assert sorted(found) == sorted(paths)


def spoil(cfg):
    path = build(cfg).get_data_info(0)['img_path']
    open(path, 'w').close()
    return path


@pytest.mark.parametrize('number', [0, 1])
def test_bad_images(sets, number):
    path = spoil(sets[number])
    place = 16 * number
    assert build(concat(sets))[place]['img_path'] != path
    with pytest.raises(UnreadableImageError):
        build(concat([dict(cfg, test_mode=True) for cfg in sets]))[place]


def test_bad_images_of_a_tested_fold_are_an_error(sets):
    spoil(sets[0])
    for cfg in (sets[0], concat(sets)):
        folds = [
            build(dict(type='KFoldDataset', dataset=cfg, num_splits=2, fold=f, test_mode=f == 0))
            for f in (0, 1)
        ]
        with pytest.raises(UnreadableImageError):
            folds[0][0]
        folds[1][0]


@MODELS.register_module()
class MeanColour(ToyModel):
    """The toy model on the mean colour of an image."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        colours = torch.stack(list(inputs)).float().mean((2, 3)) / 255
        return super().forward(nn.functional.pad(colours, (0, 1)), data_samples, mode)


def test_training(sets, tmp_path):
    pipeline = [*LOAD, dict(type='PackInputs')]
    inner = concat([dict(cfg, pipeline=pipeline) for cfg in sets])
    loader = dict(
        batch_size=5,
        num_workers=0,
        collate_fn=dict(type='pseudo_collate'),
        sampler=dict(type='ClassBalancedSampler'),
        dataset=dict(type='ClassBalancedDataset', oversample_thr=1.0, dataset=inner),
    )
    val = dict(
        loader,
        dataset=concat([dict(sets[1], split='val', pipeline=pipeline)] * 2),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    runner = Runner(
        model=dict(type='MeanColour', norm=False),
        work_dir=str(tmp_path / 'work'),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        val_dataloader=val,
        val_cfg=dict(),
        val_evaluator=dict(type='Accuracy'),
        default_scope='mmfer',
        experiment_name='concat',
    )
    runner.train()
    assert runner.iter == len(runner.train_dataloader) > 6
    assert runner.val_dataloader.dataset.metainfo['classes'] == EXPRESSIONS
