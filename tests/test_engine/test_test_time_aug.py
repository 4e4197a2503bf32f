# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.hooks import Hook
from mmengine.runner import Runner
from shipped_configs import CONFIGS, read_config

from mmfer.engine.launch import build_runner
from mmfer.engine.test_time_aug import set_tta
from mmfer.registry import DATASETS, MODELS, TRANSFORMS

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
CNN = dict(type='IRNet', depth=18, num_stages=2, base_channels=4)
CLASSIFIER = dict(type='MLPClsHead', num_classes=7, in_channels=8, hidden_channels=(), topk=(1,))
LANDMARKS = dict(type='LandmarkHead', in_channels=8, input_size=32)
#: One config per dataset with classes.
OF_DATASETS = {path.stem.rsplit('_', 1)[1]: path for path in CONFIGS}
CLASSIFIERS = [
    path
    for name, path in sorted(OF_DATASETS.items())
    if not re.match('wflw|utkface|synthface-(age|landmarks)', name)
]


def small_config(head=CLASSIFIER, pipeline=(dict(type='PackInputs'),), **changes) -> Config:
    """A classifier of 32x32 drawn faces."""
    return Config(
        dict(
            model=dict(
                type='ImageClassifier',
                backbone=CNN,
                neck=dict(type='GlobalAveragePooling'),
                head=head,
            ),
            data_preprocessor=dict(
                type='FaceDataPreprocessor', num_classes=7, mean=MEAN, std=STD, to_rgb=True
            ),
            test_dataloader=dict(
                batch_size=4,
                num_workers=0,
                collate_fn=dict(type='default_collate'),
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='SynthFace',
                    split='test',
                    num_samples=10,
                    image_size=32,
                    pipeline=list(pipeline),
                ),
            ),
            test_cfg=dict(),
            test_evaluator=[dict(type='Accuracy'), dict(type='ConfusionMatrix')],
            **changes,
        )
    )


def build(cfg):
    """Return the model, as built by the runner, and the data loader."""
    model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.model.get('data_preprocessor')))
    return model.eval(), Runner.build_dataloader(cfg.test_dataloader, seed=0)


@torch.no_grad()
def test_scores_are_those_of_image_and_mirror_image_averaged():
    cfg = small_config()
    set_tta(cfg)
    model, loader = build(cfg)
    found = [sample for batch in loader for sample in model.test_step(batch)]
    assert len(found) == 10
    raw = DATASETS.build(dict(type='SynthFace', split='test', num_samples=10, image_size=32))
    mean, std = (np.array(values, np.float32) for values in (MEAN, STD))
    for sample, face in zip(found, raw, strict=True):
        scores = []
        for image in (face['img'], face['img'][:, ::-1]):
            normal = (image[:, :, ::-1] - mean) / std
            inputs = torch.from_numpy(normal.transpose(2, 0, 1)[None].copy())
            scores.append(model.module(inputs).softmax(1)[0])
        assert not torch.allclose(*scores, atol=1e-4), 'the mirror image looks different'
        torch.testing.assert_close(sample.pred_score, sum(scores) / 2)
        assert sample.pred_label.item() == sum(scores).argmax().item()
        assert sample.gt_label.item() == face['gt_label'] and not sample.flip


@pytest.mark.parametrize('path', CLASSIFIERS, ids=lambda path: path.stem)
def test_every_shipped_dataset_with_classes_can_be_mirrored(path, tmp_path):
    cfg = read_config(path)
    plain = Compose([TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.pipeline])
    set_tta(cfg)
    mirrored = Compose([TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.pipeline])
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    face = dict(img=image, img_path=str(tmp_path / 'face.png'), gt_label=0)
    cv2.imwrite(face['img_path'], image)
    expected = plain(dict(face))['inputs']
    views = mirrored(dict(face))
    assert torch.equal(views['inputs'][0], expected)
    assert torch.equal(views['inputs'][1], expected.flip(2))
    assert [sample.flip for sample in views['data_samples']] == [False, True]


def test_pipelines_in_wrappers():
    cfg = small_config()
    faces = cfg.test_dataloader.dataset
    cfg.test_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[faces, dict(type='RepeatDataset', times=2, dataset=faces)]
    )
    set_tta(cfg)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    assert len(dataset) == 30
    assert all(len(dataset[index]['inputs']) == 2 for index in (0, 10, 29))


@torch.no_grad()
def test_the_configs_own_views_and_model():
    flip = dict(type='RandomFlip', prob=1.0, direction='vertical')
    pack = dict(type='PackInputs')
    views = [dict(type='TestTimeAug', transforms=[[flip], [pack]])]
    own = dict(type='AverageClsScoreTTA', data_preprocessor=dict(type='ClsDataPreprocessor'))
    cfg = small_config(tta_pipeline=views, tta_model=own)
    set_tta(cfg)
    model, loader = build(cfg)
    assert type(model).__name__ == 'AverageClsScoreTTA'
    assert type(model.module.data_preprocessor).__name__ == 'ClsDataPreprocessor'
    assert len(next(iter(loader))['inputs']) == 1
    assert cfg.tta_pipeline == views


def test_the_models_own_preprocessor_comes_first():
    cfg = small_config()
    cfg.model.data_preprocessor = dict(cfg.data_preprocessor, mean=[1.0, 2.0, 3.0])
    set_tta(cfg)
    model, _ = build(cfg)
    assert model.module.data_preprocessor.mean.flatten().tolist() == [1.0, 2.0, 3.0]


def test_runner_loads_weights_and_reports(tmp_path):
    cfg = small_config()
    model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model.pth')
    hooks = {name: dict(type=name) for name in ('WeightsMatchHook', 'ConfusionMatrixHook')}
    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path),
            load_from=str(tmp_path / 'model.pth'),
            default_hooks=hooks,
            default_scope='mmfer',
            experiment_name=f'tta_{tmp_path.name}',
            log_level='WARNING',
        )
    )
    set_tta(cfg)
    runner = build_runner(cfg)
    metrics = runner.test()
    for name, weight in runner.model.module.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name
    assert metrics['confusion_matrix/result'].sum() == 10
    assert (tmp_path / 'confusion_matrix.csv').is_file()


@pytest.mark.parametrize(
    'hooks',
    [dict(custom_hooks=[dict(type='EMAHook')]), dict(default_hooks=dict(ema=dict(type='EMAHook')))],
    ids=lambda hooks: next(iter(hooks)),
)
def test_averaged_weights_of_a_training_checkpoint(hooks, tmp_path):
    cfg = small_config(**hooks)
    averaged, last = (
        MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)) for _ in range(2)
    )
    # As saved by mmengine's EMAHook: the averaged weights are those of the model.
    names = {f'module.{name}': weight for name, weight in last.state_dict().items()}
    checkpoint = dict(state_dict=averaged.state_dict(), ema_state_dict=names | {'steps': 3})
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path),
            load_from=str(tmp_path / 'epoch_1.pth'),
            default_scope='mmfer',
            experiment_name=f'ema_{tmp_path.name}',
            log_level='WARNING',
        )
    )
    set_tta(cfg)
    runner = build_runner(cfg)
    tested = []

    class Weights(Hook):
        def before_test_iter(self, runner, batch_idx, data_batch=None):
            tested.append(copy.deepcopy(runner.model.module.state_dict()))

    runner.register_hook(Weights(), priority='LOWEST')
    runner.test()
    for name, weight in tested[0].items():
        assert torch.equal(weight, averaged.state_dict()[name]), name


@pytest.mark.parametrize('changes', [dict(evaluate_on_origin=True), dict(evaluate_on_ema=False)])
def test_weights_that_are_not_averaged_are_an_error(changes):
    cfg = small_config(custom_hooks=[dict(type='mmpretrain.EMAHook', **changes)])
    with pytest.raises(ValueError, match='evaluate_on_origin.*without --tta'):
        set_tta(cfg)


def test_models_without_classes_are_an_error():
    cfg = small_config(head=LANDMARKS)
    set_tta(cfg)
    model, loader = build(cfg)
    with pytest.raises(TypeError, match='model.head=LandmarkHead.*pred_landmarks'):
        model.test_step(next(iter(loader)))


@pytest.mark.parametrize(
    ('pipeline', 'message'),
    [
        ([], 'test_dataloader.dataset.*pipeline'),
        (
            [dict(type='PackInputs'), dict(type='mmpretrain.Resize', scale=3)],
            'mmpretrain.Resize.*tta_pipeline',
        ),
    ],
)
def test_pipelines_that_cannot_be_changed_are_an_error(pipeline, message):
    with pytest.raises(ValueError, match=message):
        set_tta(small_config(pipeline=pipeline))
