# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A run does not start unless datasets, model and checkpoint have the same classes."""

import numpy as np
import pytest
import torch
from PIL import Image
from toy_training import toy_config

from mmfer.engine.hooks.class_names_hook import ClassNamesError
from mmfer.engine.launch import build_runner

CLASSES = ('anger', 'joy', 'surprise')
RESIZE = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]


@pytest.fixture
def trees(tmp_path):
    """Training and validation folders with three classes."""
    for part in ('train', 'val'):
        for name in CLASSES:
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(2):
                path = tmp_path / part / name / f'{number}.png'
                Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return tmp_path


@pytest.fixture
def config(trees, repo_root):
    """A config of a small classifier for these folders."""

    def _config(name='run', **changes):
        runtime = repo_root / 'configs/_base_/default_runtime.py'
        dataset = dict(type='CustomDataset', data_root=str(trees), pipeline=RESIZE)
        sets = {
            f'{part}_dataloader__dataset': dict(dataset, data_prefix=folder)
            for part, folder in (('train', 'train'), ('val', 'val'), ('test', 'val'))
        }
        changes = {'train_cfg__max_epochs': 1, 'train_dataloader__batch_size': 2, **changes}
        cfg = toy_config(trees / name, runtime, **sets)
        cfg.model = dict(
            type='ImageClassifier',
            backbone=dict(type='ResNet', depth=18, out_indices=(3,)),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=512),
        )
        cfg.data_preprocessor = dict(type='FaceDataPreprocessor')
        cfg.val_evaluator = cfg.test_evaluator = dict(type='Accuracy')
        cfg.merge_from_dict({k.replace('__', '.'): v for k, v in changes.items()})
        return cfg

    return _config


def drop(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize('name', [CLASSES[0], CLASSES[2]])
@pytest.mark.parametrize('check', [True, False])
def test_a_folder_missing_in_validation(config, trees, name, check):
    drop(trees / 'val' / name)
    cfg = config(default_hooks__class_names__check=check)
    if not check and name == CLASSES[-1]:  # the others keep their numbers
        build_runner(cfg).train()
        return
    with pytest.raises(ClassNamesError) as error:
        build_runner(cfg).train()
    message = str(error.value)
    assert 'val_dataloader.dataset' in message and str(trees / 'val') in message
    assert f'The folder {name!r} is missing' in message
    assert not list((trees / 'run').glob('*.pth'))


def test_what_the_message_advises_keeps_the_labels(config, trees):
    drop(trees / 'val/anger')
    named = {f'{p}_dataloader__dataset__metainfo': dict(classes=CLASSES) for p in ('train', 'val')}
    runner = build_runner(config(**named))
    runner.train()
    assert set(runner.val_loop.dataloader.dataset.get_gt_labels()) == {1, 2}


def test_a_further_folder_in_training(config, trees):
    (trees / 'train/unsorted').mkdir()
    with pytest.raises(ClassNamesError, match=r"folder 'unsorted' is missing \(.*val\)"):
        build_runner(config()).train()
    (trees / 'val/unsorted').mkdir()
    with pytest.raises(ClassNamesError, match='3 outputs .* If one of its folders is not a class'):
        build_runner(config()).train()


def test_hidden_folders_change_nothing(config, trees):
    (trees / 'train/.ipynb_checkpoints').mkdir()
    (trees / 'val/.thumbnails').mkdir()
    build_runner(config()).train()
    meta = torch.load(trees / 'run/epoch_1.pth', weights_only=True)['meta']
    assert tuple(meta['dataset_meta']['classes']) == CLASSES


def test_a_test_set_with_other_folders_than_the_checkpoint(config, trees):
    build_runner(config('first')).train()
    drop(trees / 'val/joy')
    cfg = config(load_from=str(trees / 'first/epoch_1.pth'))
    with pytest.raises(ClassNamesError, match="folder 'joy' is missing") as error:
        build_runner(cfg).test()
    assert 'check=False' not in str(error.value)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda dataset: dict(type='RepeatDataset', times=2, dataset=dataset),
        lambda dataset: dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=dataset),
        lambda dataset: dict(type='KFoldDataset', num_splits=2, dataset=dataset),
        lambda dataset: dict(type='ConcatDataset', datasets=[dataset, dataset]),
    ],
    ids=['repeat', 'balanced', 'fold', 'concat'],
)
def test_wrapped_sets_are_compared(config, trees, wrap):
    drop(trees / 'val/joy')
    cfg = config()
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset = wrap(loader.dataset)
    with pytest.raises(ClassNamesError, match="folder 'joy' is missing"):
        build_runner(cfg).train()


def test_the_alphabet_against_the_classes(config):
    cfg = config()
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.update(type='mmpretrain.CustomDataset', classes=CLASSES[::-1])
    with pytest.raises(ClassNamesError, match="folder 'anger' as 0.*mmfer.CustomDataset"):
        build_runner(cfg).train()


def test_labels_without_names_beyond_the_outputs(config, trees):
    (trees / 'list.txt').write_text('train/anger/0.png 0\ntrain/joy/0.png 3\n')
    cfg = config()
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.update(ann_file='list.txt', data_prefix='')
    with pytest.raises(ClassNamesError, match='sample 1 has the label 3, .* 0 to 2'):
        build_runner(cfg).train()


def test_tested_in_several_views(config, trees):
    """The model is inside a wrapper, but is compared all the same."""
    from mmfer.engine.test_time_aug import set_tta

    cfg = config(model__head__num_classes=2)
    set_tta(cfg)
    with pytest.raises(ClassNamesError, match='2 outputs .* 3 classes'):
        build_runner(cfg).test()


def test_names_of_what_a_wrapper_hides_are_saved(config, trees):
    cfg = config()
    inner = dict(cfg.train_dataloader.dataset, lazy_init=True)
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=1, dataset=inner)
    build_runner(cfg).train()
    meta = torch.load(trees / 'run/epoch_1.pth', weights_only=True)['meta']
    assert tuple(meta['dataset_meta']['classes']) == CLASSES
