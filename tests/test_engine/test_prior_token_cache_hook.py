# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Training with cached prior tokens is the same as training with the prior encoders."""

import os
import shutil
import threading

import cv2
import numpy as np
import pytest
import torch
from forked_processes import train_pair
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from toy_analyzer import CNN, PRIORS, training_config

from mmfer.datasets import SynthFace
from mmfer.engine.hooks import PriorTokenCacheHook
from mmfer.engine.launch import build_runner
from mmfer.models.analyzers.prior_encoders import PriorEncoders
from mmfer.models.analyzers.prior_token_cache import PriorTokenCache, PriorTokenCacheError
from mmfer.registry import DATASETS, HOOKS, MODELS, TRANSFORMS


@HOOKS.register_module()
class LossesHook(Hook):
    """Records the loss of every step."""

    def __init__(self):
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs['loss']))


@TRANSFORMS.register_module()
class Unheard:
    """An unknown transform, which changes nothing."""

    def __call__(self, results):
        return results


@DATASETS.register_module()
class ImageFiles(BaseDataset):
    """Dataset of the image files in ``data_root``."""

    def load_data_list(self):
        names = sorted(os.listdir(self.data_root))
        return [
            dict(img_path=os.path.join(self.data_root, name), gt_label=number % 7)
            for number, name in enumerate(names)
        ]


@pytest.fixture
def runtime(repo_root):
    return repo_root / 'configs' / '_base_' / 'default_runtime.py'


@pytest.fixture
def priors(tmp_path):
    """Priors with checkpoint files and changed BatchNorm statistics, as if trained."""
    configs = {}
    for task, prior in PRIORS.items():
        encoder = MODELS.build(prior['backbone'])
        encoder(torch.randn(8, 3, 32, 32))
        path = tmp_path / f'{task}.pth'
        torch.save(encoder.state_dict(), path)
        configs[task] = dict(prior, checkpoint=str(path))
    return configs


@pytest.fixture
def config(tmp_path, runtime, priors):
    """A config; ``cache`` has the arguments of the hook, None omits the hook."""

    def make(name='run', cache=None, **changes):
        hooks = [dict(type='LossesHook')]
        if cache is not None:
            folder = str(tmp_path / 'cache')
            hooks.append({'type': 'PriorTokenCacheHook', 'cache_dir': folder, **cache})
        cfg = training_config(
            tmp_path / name,
            runtime,
            **{'model__priors': priors, 'custom_hooks': hooks, **changes},
        )
        cfg.default_hooks.checkpoint = None
        return cfg

    return make


def train(cfg):
    runner = build_runner(cfg)
    runner.train()
    return runner


def losses(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, LossesHook)).losses


class CountedEncoders(PriorEncoders):
    """Counts the images that its encoders process."""

    images = 0

    def __call__(self, inputs, data_samples=None):
        CountedEncoders.images += len(inputs)
        return super().__call__(inputs, data_samples)


@pytest.fixture
def images_seen(monkeypatch):
    """Return the number of images that the priors processed since the last call."""
    monkeypatch.setattr('mmfer.models.analyzers.face_analyzer.PriorEncoders', CountedEncoders)

    def count():
        seen, CountedEncoders.images = CountedEncoders.images, 0
        return seen

    count()
    return count


# The same training --------------------------------------------------------------------------------


DATA = {
    'plain': {},
    # The last batch has a single image, for which some kernels give other last bits.
    'one left over': dict(train_dataloader__dataset__num_samples=9),
    'workers': dict(train_dataloader__num_workers=2),
    'repeated': dict(
        train_dataloader__dataset=dict(
            _delete_=True,
            type='RepeatDataset',
            times=2,
            dataset=dict(
                type='SynthFace',
                num_samples=5,
                image_size=32,
                pipeline=[dict(type='PackInputs')],
            ),
        )
    ),
    'bf16': dict(optim_wrapper__type='BFloat16OptimWrapper'),
    'mask off': dict(model__neck__canonical_mask=False, model__neck__task_embedding=True),
}


@pytest.mark.parametrize('changes', DATA.values(), ids=DATA.keys())
def test_training_is_the_same_bit_for_bit(config, changes, images_seen):
    live = train(config('live', **changes))
    size = len(live.train_dataloader.dataset)
    assert images_seen() == 2 * size
    built = train(config('built', cache={}, **changes))
    assert 0 < images_seen() < size + 4  # each image once; the last batch is filled
    opened = train(config('opened', cache={}, **changes))
    assert images_seen() == 0
    assert len(set(losses(live))) == len(losses(live)) == 2 * -(-size // 4)
    for other in (built, opened):
        assert losses(other) == losses(live)
        for name, value in live.model.state_dict().items():
            assert torch.equal(value, other.model.state_dict()[name]), name
    assert opened.model.priors is None and opened.model.prior_cache is None


def test_tokens_are_those_of_the_encoders(config, tmp_path, images_seen):
    runner = train(config(cache={}, model__save_priors=True))
    dataset = runner.train_dataloader.dataset
    assert runner.model.priors is not None  # kept for the checkpoints
    inputs = torch.stack([dataset[i]['inputs'] for i in range(11)])
    data = runner.model.data_preprocessor(dict(inputs=inputs), True)
    tokens = torch.cat(list(runner.model.priors(data['inputs']).values()), 1)
    rows = np.load(tmp_path / 'cache' / 'tokens.npy')
    assert rows.shape == (11, 16 + 24 + 16) and rows.dtype == np.float32
    assert np.array_equal(rows, tokens.numpy())


def test_two_processes(config, tmp_path):
    ends = []
    for name, cache in (('live', None), ('built', {})):
        path = tmp_path / f'{name}.json'
        cfg = config(name, cache, train_dataloader__dataset__num_samples=8)
        cfg.custom_hooks = cfg.custom_hooks[1:]
        cfg.default_hooks.checkpoint = dict(type='SafeCheckpointHook', interval=1)
        cfg.dump(path)
        train_pair(path, cwd=tmp_path)
        ends.append(torch.load(tmp_path / name / 'epoch_2.pth')['state_dict'])
    live, cached = ends
    assert all(torch.equal(value, cached[name]) for name, value in live.items())


def test_no_priors_need_no_cache(config, tmp_path):
    train(config(cache={}, model__num_priors=0))
    assert not (tmp_path / 'cache').exists()


# Errors -------------------------------------------------------------------------------------------


def retrained(path):
    weights = torch.load(path)
    name = next(iter(weights))
    weights[name] = weights[name] + 1e-6
    torch.save(weights, path)


CHANGES = {
    'priors.age.backbone.base_channels': dict(model__priors__age__backbone__base_channels=8),
    'priors.recognition': dict(model__num_priors=2),
    'pipeline.0.type': dict(
        train_dataloader__dataset__pipeline=[
            dict(type='Resize', scale=(48, 48)),
            dict(type='PackInputs'),
        ]
    ),
    'data_preprocessor.mean.0': dict(model__data_preprocessor__mean=[120.0] * 3),
    'dataset.seed': dict(train_dataloader__dataset__seed=1),
    'samples': dict(train_dataloader__dataset__label_noise=0.9),
    'precision': dict(optim_wrapper__type='BFloat16OptimWrapper'),
}


@pytest.mark.parametrize('component', CHANGES)
def test_whatever_changed_is_named(config, priors, tmp_path, component):
    train(config('first', cache={}))
    changes = CHANGES[component]
    if 'base_channels' in component:
        torch.save(MODELS.build(dict(CNN, base_channels=8)).state_dict(), tmp_path / 'age.pth')
    with pytest.raises(PriorTokenCacheError) as error:
        train(config('second', cache={}, **changes))
    assert component in str(error.value) and 'rebuild=True' in str(error.value)
    live = train(config('live', **changes))
    rebuilt = train(config('rebuilt', cache=dict(rebuild=True), **changes))
    assert losses(live) == losses(rebuilt)


def test_other_weights_are_an_error(config, tmp_path):
    train(config('first', cache={}))
    retrained(tmp_path / 'landmarks.pth')
    with pytest.raises(PriorTokenCacheError, match='priors.landmarks.weights') as e:
        train(config('second', cache={}))
    assert 'priors.age' not in str(e.value)
    train(config('elsewhere', cache=dict(cache_dir=str(tmp_path / 'other'))))


def test_changed_files_are_an_error(config, tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    values = np.random.default_rng(0)
    for name in 'abcde':
        cv2.imwrite(str(folder / f'{name}.png'), values.integers(0, 256, (32, 32, 3), np.uint8))
    data = dict(
        _delete_=True,
        type='ImageFiles',
        data_root=str(folder),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    )
    train(config('first', cache={}, train_dataloader__dataset=data))
    train(config('again', cache={}, train_dataloader__dataset=data))
    shutil.copy(folder / 'a.png', folder / 'b.png')
    with pytest.raises(PriorTokenCacheError, match='samples'):
        train(config('second', cache={}, train_dataloader__dataset=data))


@pytest.mark.parametrize('damage', ['shorter', 'other bits', 'gone', 'notes', 'notes empty'])
def test_damaged_files_are_recomputed(config, tmp_path, damage, images_seen):
    first = train(config('first', cache={}))
    images_seen()
    tokens, notes = tmp_path / 'cache' / 'tokens.npy', tmp_path / 'cache' / 'tokens.json'
    content = bytearray(tokens.read_bytes())
    if damage == 'shorter':
        tokens.write_bytes(content[:-4])
    elif damage == 'other bits':
        content[-1] ^= 1
        tokens.write_bytes(content)
    elif damage == 'gone':
        tokens.unlink()
    elif damage == 'notes':
        notes.write_bytes(notes.read_bytes()[:-10])
    else:
        notes.write_text('{}')
    assert losses(train(config('second', cache={}))) == losses(first)
    assert images_seen() == 12
    train(config('third', cache={}))
    assert images_seen() == 0


def test_a_disk_that_loses_what_is_written_is_noticed(tmp_path, monkeypatch):
    replace = os.replace

    def lose(source, target):
        replace(source, target)
        if str(target).endswith('.npy'):
            os.truncate(target, 100)

    monkeypatch.setattr(os, 'replace', lose)
    with pytest.raises(PriorTokenCacheError, match='damaged'):
        PriorTokenCache.build(tmp_path, {}, [dict(age=torch.zeros(100, 100))], 100)


def test_who_comes_second_waits_and_computes_nothing(config, tmp_path, monkeypatch):
    """Both hooks run in one process; their locks exclude each other as in two."""
    events = []
    waiting, building = threading.Event(), threading.Event()

    def build(cls, folder, key, batches, num_samples):
        events.append('build')
        building.set()
        waiting.wait()
        return original(folder, key, [dict(age=torch.randn(num_samples, 3))], num_samples)

    original = PriorTokenCache.build
    monkeypatch.setattr(PriorTokenCache, 'build', classmethod(build))
    runners = [build_runner(config(name, cache={})) for name in 'ab']
    hooks = [hook for r in runners for hook in r.hooks if isinstance(hook, PriorTokenCacheHook)]
    info = runners[1].logger.info

    def said(message, *args):
        if 'waiting for it' in message:
            events.append('wait')
            waiting.set()
        info(message, *args)

    monkeypatch.setattr(runners[1].logger, 'info', said)
    for runner in runners:
        runner._train_loop = runner.build_train_loop(runner._train_loop)
    first = threading.Thread(target=hooks[0].before_train, args=runners[:1])
    first.start()
    building.wait()
    hooks[1].before_train(runners[1])
    first.join()
    assert events == ['build', 'wait']
    rows = [runner.model.prior_cache.rows for runner in runners]
    assert np.array_equal(*rows) and len(rows[0]) == 11


def test_a_folder_that_may_only_be_read(config, tmp_path, monkeypatch):
    first = train(config('first', cache={}))

    def refuse(path, wait):
        raise PermissionError(13, os.strerror(13), str(path))

    monkeypatch.setattr('mmfer.engine.hooks.prior_token_cache_hook.file_lock', refuse)
    assert losses(train(config('second', cache={}))) == losses(first)


def test_an_unfinished_file_is_not_believed(config, tmp_path, images_seen):
    class Killed(BaseException):
        pass

    def batches():
        yield dict(age=torch.randn(4, 3))
        raise Killed

    folder = tmp_path / 'cache'
    PriorTokenCache.build(folder, dict(a=1), [dict(age=torch.zeros(8, 3))], 8)
    with pytest.raises(Killed):
        PriorTokenCache.build(folder, dict(a=1), batches(), 8)
    # Neither the partial new tokens nor the old ones, which were being replaced, are used.
    assert [path.name for path in folder.iterdir()] == ['tokens.npy']
    assert PriorTokenCache.open(folder, dict(a=1)) is None
    train(config(cache={}))
    assert images_seen() == 12


def test_full_disk(tmp_path):
    resource = pytest.importorskip('resource')
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))  # as on a full disk
    try:
        with pytest.raises(PriorTokenCacheError, match='cache_dir'):
            PriorTokenCache.build(tmp_path / 'x', {}, [dict(age=torch.zeros(100, 100))], 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / 'x').iterdir()) == []


RANDOM = {
    'RandomFlip in train_dataloader.dataset.pipeline': dict(
        train_dataloader__dataset__pipeline=[
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ]
    ),
    'Unheard in train_dataloader': dict(
        train_dataloader__dataset__pipeline=[dict(type='Unheard'), dict(type='PackInputs')]
    ),
    'batch augmentation: set model.train_cfg=None': dict(
        model__train_cfg=dict(augments=dict(type='Mixup', alpha=0.8))
    ),
    'random erasing: set data_preprocessor.erasing=None': dict(
        model__data_preprocessor=dict(type='FaceDataPreprocessor', erasing=dict(prob=0.5))
    ),
}


@pytest.mark.parametrize('what', RANDOM)
def test_random_images_cannot_be_cached(config, tmp_path, what):
    with pytest.raises(ValueError, match='deterministic=') as error:
        train(config(cache={}, **RANDOM[what]))
    assert what in str(error.value)
    assert not (tmp_path / 'cache').exists()


def test_further_transforms_can_be_declared(config):
    train(config(cache=dict(deterministic=['Unheard']), **RANDOM['Unheard in train_dataloader']))


def test_concatenated_datasets_are_an_error(config):
    part = config().train_dataloader.dataset
    data = dict(_delete_=True, type='ConcatDataset', datasets=[part, part])
    with pytest.raises(TypeError, match='ConcatDataset'):
        train(config(cache={}, train_dataloader__dataset=data))


def test_samples_without_an_index_are_an_error(config):
    pipeline = [dict(type='PackInputs', meta_keys=('img_path',))]
    with pytest.raises(PriorTokenCacheError, match='meta_keys'):
        train(config(cache={}, train_dataloader__dataset__pipeline=pipeline))


def test_models_without_priors_are_an_error(config):
    cfg = config(cache={})
    cfg.model = dict(
        type='ImageClassifier',
        backbone=CNN,
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=7, in_channels=16),
    )
    with pytest.raises(TypeError, match='ImageClassifier'):
        train(cfg)


def test_unreadable_samples_are_named(config, monkeypatch):
    monkeypatch.setattr(SynthFace, 'prepare_data', lambda self, index: None)
    with pytest.raises(PriorTokenCacheError, match='synthface://train/0'):
        train(config(cache={}))
