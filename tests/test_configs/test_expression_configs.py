# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""APViT's configs for FERPlus, AffectNet, SFEW, ExpW, Aff-Wild2 and CIFAR-10."""

import numpy as np
import pytest
import torch
from expression_trees import expression_roots, write_affectnet_folders
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from shipped_configs import read_config, variants
from toy_training import toy_config

from mmfer.datasets import ACTION_UNITS, EXPRESSIONS, EXPRESSIONS_8
from mmfer.registry import DATASETS, MODELS
from mmfer.utils.config_options import merge_options, parse_options

NAME = 'apvit{}_ir50-vit-small_1xb128-{}_{}-112px'
#: Config, or database and variant -> what section 4.2 of the paper says, (k, r), learning rate,
#: epochs or iterations, and the classes.
PUBLISHED = {
    NAME.format('', '20e', 'ferplus'): ((160, 0.9), 1e-3, 20, EXPRESSIONS_8),
    'FERPlus/soft-labels': ((160, 0.9), 1e-3, 20, EXPRESSIONS_8),
    NAME.format('', '6k', 'affectnet-7'): ((160, 0.9), 5e-4, 6000, EXPRESSIONS),
    NAME.format('', '6k', 'affectnet-8'): ((160, 0.9), 5e-4, 6000, EXPRESSIONS_8),
    NAME.format('', '40e', 'sfew'): ((120, 0.9), 1e-3, 40, EXPRESSIONS),
    NAME.format('', '9k', 'expw'): ((80, 0.6), 5e-4, 9000, EXPRESSIONS),
    NAME.format('', '150k', 'affwild2'): ((80, 0.6), 1e-3, 150000, EXPRESSIONS),
    # Table 15; its training is not described.
    NAME.format('', '40e', 'cifar10'): ((120, 0.9), 1e-3, 40, None),
    'CIFAR-10/k80-r06': ((80, 0.6), 1e-3, 40, None),
    'CIFAR-10/baseline': (None, 1e-3, 40, None),
}
PARTS = ('train', 'val', 'test')


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    return expression_roots(tmp_path_factory.mktemp('data'))


def config_of(name: str) -> Config:
    """A config by its name, or ``DATABASE/VARIANT`` of the index."""
    database, _, variant = name.partition('/')
    return variants('apvit').config(database, variant) if variant else read_config(name)


def innermost(dataset: dict) -> dict:
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def on_made_up_data(cfg: Config, roots: dict) -> Config:
    """Let a config read small made-up data, in this process."""
    for part in PARTS:
        loader = cfg[f'{part}_dataloader']
        loader.update(num_workers=0, persistent_workers=False, pin_memory=False, batch_size=2)
        dataset = innermost(loader.dataset)
        name = dataset.type.removeprefix('MadeUp')  # the test set may be the validation set itself
        dataset.update(data_root=str(roots[name]), serialize_data=False)
        if name == 'CIFAR10':
            dataset.type = 'MadeUpCIFAR10'
    return cfg


@pytest.mark.parametrize('name', PUBLISHED)
def test_settings_are_the_published_ones(name):
    cfg = config_of(name)
    pooling, learning_rate, length, _ = PUBLISHED[name]
    backbone = cfg.model.backbone
    if pooling is None:
        assert backbone.app is None and backbone.atp is None
    else:
        assert (backbone.app.keep_num, backbone.atp.keep_rate) == pooling
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=learning_rate, momentum=0.9, weight_decay=5e-4
    )
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=10, norm_type=2)
    by_epoch = length < 1000
    assert cfg.train_cfg.by_epoch == cfg.param_scheduler.by_epoch == by_epoch
    assert cfg.train_cfg['max_epochs' if by_epoch else 'max_iters'] == length
    assert cfg.param_scheduler.T_max == length
    assert cfg.default_hooks.checkpoint.get('by_epoch', True) == by_epoch
    assert cfg.default_hooks.logger.get('log_metric_by_epoch', True) == by_epoch
    assert cfg.get('log_processor', {}).get('by_epoch', True) == by_epoch
    assert cfg.train_dataloader.batch_size == 128


@pytest.mark.parametrize('name', PUBLISHED)
def test_only_affectnet_is_oversampled(name):
    dataset = config_of(name).train_dataloader.dataset
    assert ('dataset' in dataset) == ('affectnet' in name)
    assert dataset.type == ('FullyBalancedDataset' if 'affectnet' in name else dataset.type)


def test_sfew_starts_from_raf_db():
    name = NAME.format('', '40e', 'sfew')
    sfew, rafdb = read_config(name), read_config(name.replace('sfew', 'rafdb'))
    assert sfew.load_from == 'checkpoints/apvit_rafdb.pth'
    assert sfew.model.head == rafdb.model.head
    assert sfew.default_hooks.class_names.check, 'both have the same classes'


def small_model(cfg: Config):
    """The config's model with a narrow CNN and transformer, which start from no files."""
    backbone = cfg.model.backbone
    backbone.update(
        cnn=dict(type='IRNet', depth=18, num_stages=3, base_channels=8),
        arch=dict(embed_dims=32, num_layers=8, num_heads=2, feedforward_channels=32),
        init_cfg=None,
    )
    cfg.model.head.in_channels = 32
    return MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))


@pytest.mark.parametrize('name', PUBLISHED)
def test_config_reads_its_data_and_trains_one_step(name, roots):
    cfg = on_made_up_data(config_of(name), roots)
    datasets = {part: DATASETS.build(cfg[f'{part}_dataloader'].dataset) for part in PARTS}
    classes = PUBLISHED[name][-1]
    for part, dataset in datasets.items():
        assert len(dataset.metainfo['classes']) == cfg.model.head.num_classes, part
        assert classes is None or dataset.metainfo['classes'] == classes
        assert cfg.data_preprocessor.num_classes == cfg.model.head.num_classes

    model = small_model(cfg)
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = [parameter.clone() for parameter in model.parameters()]
    model.train()
    batch = default_collate([datasets['train'][0], datasets['train'][1]])
    assert batch['inputs'].shape == (2, 3, 112, 112) and batch['inputs'].dtype == torch.uint8
    assert torch.isfinite(model.train_step(batch, optim_wrapper)['loss'])
    assert not all(map(torch.equal, before, model.parameters()))
    model.eval()
    with torch.no_grad():
        (prediction,) = model.test_step(default_collate([datasets['test'][0]]))
    assert prediction.pred_score.shape == (cfg.model.head.num_classes,)


def test_soft_labels_reach_the_loss_and_plurality_the_metric(roots):
    cfg = on_made_up_data(config_of('FERPlus/soft-labels'), roots)
    train, val, test = (DATASETS.build(cfg[f'{part}_dataloader'].dataset) for part in PARTS)
    assert train[0]['data_samples'].gt_score.shape == (8,)
    assert 'gt_score' not in val[0]['data_samples'] and 'gt_score' not in test[0]['data_samples']
    assert val.mode == test.mode == 'plurality'


AFFWILD2 = NAME.format('', '150k', 'affwild2')


def test_affwild2_weights_the_tasks_10_to_1():
    head = read_config(AFFWILD2).model.head
    assert (head.loss.loss_weight, head.au_loss.loss_weight) == (10, 1)
    assert head.num_units == len(ACTION_UNITS)


@pytest.mark.parametrize(
    ('options', 'app', 'atp'),
    [
        ([], True, True),
        (['model.backbone.atp=None'], True, False),
        (['model.backbone.app=None'], False, True),
        (['model.backbone.app=None', 'model.backbone.atp=None'], False, False),
    ],
)
def test_rows_of_table_2(options, app, atp):
    cfg = read_config(AFFWILD2)
    merge_options(cfg, parse_options(options))
    backbone = small_model(cfg).backbone
    grid = torch.rand(1, 3, 112, 112)
    _, kept = backbone.eval().forward_with_indices(grid)
    counts = [positions.shape[1] for positions in kept.values()]
    assert counts == [80] * app + [48, 28, 16, 9] * (app and atp) + [117, 70, 42, 25] * (
        atp and not app
    )


@pytest.mark.parametrize('name', [AFFWILD2, NAME.format('', '150k', 'affwild2-joint')])
def test_affwild2_trains_and_tests_on_partly_labeled_batches(tmp_path, roots, name):
    cfg = on_made_up_data(read_config(name), roots)
    train = DATASETS.build(cfg.train_dataloader.dataset)
    samples = [train[index]['data_samples'] for index in range(len(train))]
    has_class = [sample.gt_label.item() >= 0 for sample in samples]
    has_units = [sample.gt_au.max() >= 0 for sample in samples]
    assert set(zip(has_class, has_units, strict=True)) == {(1, 1), (1, 0), (0, 1)}
    joint = 'joint' in name
    if joint:
        has_place = [np.isfinite(sample.gt_valence_arousal).all() for sample in samples]
        assert set(has_place) == {True, False}

    small_model(cfg)  # narrows the config's model
    cfg.model.backbone.cnn.init_cfg = None
    cfg.train_cfg = dict(by_epoch=False, max_iters=3, val_interval=2)
    cfg.merge_from_dict(
        dict(work_dir=str(tmp_path), experiment_name='affwild2', log_level='WARNING')
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 3
    results = runner.test()
    figures = ['accuracy/top1', 'class_accuracy/mean', 'single-label/f1-score', 'au_f1/mean']
    for name in (*figures, *(f'au_f1/{unit}' for unit in ACTION_UNITS)):
        assert 0 <= results[name] <= 100
    assert ('va/ccc' in results) == joint and -1 <= results.get('va/ccc', 0) <= 1
    matrix = np.asarray(results['confusion_matrix/result'])
    assert matrix.sum(axis=1).tolist() == [1] * 7, 'the frame without a class is left out'
    assert (tmp_path / 'confusion_matrix.png').is_file()


def test_affectnet_config_reads_the_other_release_uncropped(tmp_path):
    root = write_affectnet_folders(tmp_path, range(7), range(7))
    name = NAME.format('', '6k', 'affectnet-7')
    cfg = on_made_up_data(read_config(name), dict(AffectNet=root))
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    whole = DATASETS.build(dict(cfg.val_dataloader.dataset, pipeline=[dict(type='LoadFaceImage')]))[
        0
    ]['img']
    seen = dataset[0]['inputs'].float().mean(dim=(1, 2))
    np.testing.assert_allclose(seen, whole.mean(axis=(0, 1)), atol=3)


def test_colors_of_cifar_arrive_as_they_are(roots):
    cfg = on_made_up_data(read_config(NAME.format('', '40e', 'cifar10')), roots)
    loader = Runner.build_dataloader(cfg.test_dataloader, seed=0)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    inputs = preprocessor(next(iter(loader)))['inputs']
    mean, std = (torch.tensor(cfg.data_preprocessor[key])[:, None, None] for key in ('mean', 'std'))
    rgb = (inputs * std + mean).mean(dim=(2, 3))
    expected = np.stack([loader.dataset.get_data_info(index)['img'] for index in range(2)])
    np.testing.assert_allclose(rgb, expected.mean(axis=(1, 2)), atol=1)


def test_training_by_iterations(tmp_path, repo_root):
    cfg = toy_config(
        tmp_path,
        repo_root / 'configs/_base_/iter_runtime.py',
        param_scheduler=[dict(type='CosineAnnealingLR', T_max=7, by_epoch=False)],
        default_hooks__checkpoint__interval=3,
    )
    # A pass has three batches.
    cfg.train_cfg = dict(by_epoch=False, max_iters=7, val_interval=3)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 7
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['iter_6.pth', 'iter_7.pth']
    # The last iteration is one step before the end of the cosine.
    assert runner.optim_wrapper.get_lr()['lr'] == [
        pytest.approx(0.05 * (1 + np.cos(6 / 7 * np.pi)))
    ]
