# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Two expression datasets concatenated, in all wrappers and in training."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from expression_trees import unanimous, write_ferplus, write_sfew
from face_trees import write_folders
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
    """Configs of an RAF-DB with more images of fear, and an SFEW with two images per class."""
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


def test_other_classes_are_an_error_with_a_remedy(sets, tmp_path):
    votes = [('Training', unanimous(column)) for column in range(8)]
    ferplus = dict(type='FERPlus', data_root=str(write_ferplus(tmp_path / 'f', votes)))
    with pytest.raises(
        ValueError, match=r'datasets\[1\] \(FERPlus\).*classes=\[.*Contempt'
    ) as error:
        build(concat([sets[0], ferplus]))
    assert 'datasets[0] (RAFDB)' in str(error.value)
    assert f'or classes={[*EXPRESSIONS]}' in str(error.value)
    for classes, length in ((EXPRESSIONS_8, 16 + 8), (EXPRESSIONS, 16 + 7)):
        both = build(concat([dict(cfg, classes=classes) for cfg in (sets[0], ferplus)]))
        assert both.metainfo['classes'] == classes and len(both) == length
    with pytest.raises(ValueError, match="do not mean the same.*or classes=.'Fear'"):
        build(concat([dict(sets[0], classes=['Fear', 'Anger']), dict(sets[1], classes=['Fear'])]))


def named(dataset):
    """Return (path, class name) of every sample; label and balancing class must agree."""
    classes, found = dataset.metainfo['classes'], []
    for index in range(len(dataset)):
        sample, info = dataset[index], dataset.get_data_info(index)
        assert {sample['gt_label']} == {info['gt_label']} == classes_of_samples(dataset)[index]
        found.append((sample['img_path'], classes[sample['gt_label']]))
    return found


def test_another_order_becomes_that_of_the_first(sets):
    turned = [dict(cfg, classes=EXPRESSIONS[::-1]) for cfg in sets]
    expected = named(build(concat(sets)))
    for first, second in ((sets[0], turned[1]), (turned[0], sets[1])):
        both = build(concat([first, second]))
        assert both.metainfo['classes'] == tuple(first.get('classes', EXPRESSIONS))
        assert named(both) == expected
    unmapped = build(concat([sets[0], turned[1]], ignore_keys='classes'))
    assert labels(unmapped)[16:] == [6 - label for label in labels(build(sets[1]))]


@pytest.fixture
def folders(tmp_path):
    """Config of folders with alphabetical numbers and other names than RAF-DB's."""
    names = ('ANGRY', 'Fear', 'disgusted', 'happy', 'neutral', 'sad', 'surprised')
    root = write_folders(tmp_path / 'mine', dict.fromkeys(names, 2))
    return dict(type='CustomDataset', data_root=str(root), pipeline=LOAD, test_mode=False)


MEANINGS = dict(
    ANGRY='Anger',
    Fear='Fear',
    disgusted='Disgust',
    happy='Happiness',
    neutral='Neutral',
    sad='Sadness',
    surprised='Surprise',
)


@pytest.mark.parametrize('inner', ['plain', 'RepeatDataset', 'balanced', 'concat', 'folds'])
def test_names_are_matched_in_and_around_wrappers(sets, folders, inner):
    other = {
        'plain': folders,
        'RepeatDataset': dict(type='RepeatDataset', times=2, dataset=folders),
        'balanced': dict(type='FullyBalancedDataset', dataset=folders),
        'concat': concat([folders, folders]),
        'folds': dict(type='KFoldDataset', dataset=folders, num_splits=2),
    }[inner]
    both = build(concat([sets[0], other]))
    assert both.metainfo['classes'] == EXPRESSIONS
    found = named(both)
    assert found[:16] == named(build(sets[0]))
    assert len(found) - 16 == len(build(other)) >= 7
    for path, name in found[16:]:
        assert name == MEANINGS[Path(path).parent.name]
    outer = build(dict(type='FullyBalancedDataset', dataset=concat([sets[0], other])))
    assert set(named(outer)) == set(found)
    if inner != 'folds':  # RepeatDataset and the like cannot be divided
        fold = dict(type='KFoldDataset', dataset=concat([sets[0], folders]), num_splits=2)
        parts = [build(dict(fold, fold=number)) for number in (0, 1)]
        assert sorted(named(parts[0]) + named(parts[1])) == sorted(named(build(fold['dataset'])))


def test_shares_of_classes_and_missing_labels_are_renumbered(sets, tmp_path):
    votes = [('Training', [0, 6, 0, 0, 4, 0, 0, 0, 0, 0])]
    root = str(write_ferplus(tmp_path / 'f', votes))
    soft = dict(type='FERPlus', data_root=root, mode='soft', classes=EXPRESSIONS[::-1])
    score = build(concat([sets[0], soft])).get_data_info(16)['gt_score']
    shares = {'Happiness': 0.6, 'Anger': 0.4}
    assert score.tolist() == pytest.approx([shares.get(name, 0) for name in EXPRESSIONS])
    drawn = dict(type='SynthFace', num_samples=12, action_units=True, single_task=0.9)
    drawn = [build(dict(drawn, classes=classes)) for classes in (EXPRESSIONS, EXPRESSIONS[::-1])]
    before = [[d.get_data_info(i)['gt_label'] for i in range(12)] for d in drawn]
    first = dict(sets[0], classes=EXPRESSIONS)
    got = build(concat([first, drawn[1]]))
    assert [got.get_data_info(16 + i)['gt_label'] for i in range(12)] == before[0]
    assert -1 in before[0] and before[0] != before[1]
    # The original dataset is unchanged.
    assert [drawn[1].get_data_info(i)['gt_label'] for i in range(12)] == before[1]
    assert drawn[1].metainfo['classes'] == EXPRESSIONS[::-1]


@pytest.mark.parametrize('serialize', [True, False])
def test_samples_may_be_serialized_or_not(sets, folders, serialize):
    both = build(concat([sets[0], dict(folders, serialize_data=serialize)]))
    assert {name for _, name in named(both)[16:]} == set(EXPRESSIONS)


def test_two_names_of_one_class_are_an_error(sets, tmp_path):
    names = ('happy', 'happiness', 'disgust', 'fear', 'neutral', 'sad', 'surprise')
    root = write_folders(tmp_path / 'mine', dict.fromkeys(names, 1))
    with pytest.raises(ValueError, match='do not mean the same'):
        build(concat([sets[0], dict(type='CustomDataset', data_root=str(root))]))


def test_other_tasks_and_no_datasets_are_errors(sets):
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
class MeanColor(ToyModel):
    """The toy model on the mean color of an image."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        colors = torch.stack(list(inputs)).float().mean((2, 3)) / 255
        return super().forward(nn.functional.pad(colors, (0, 1)), data_samples, mode)


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
        model=dict(type='MeanColor', norm=False),
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
