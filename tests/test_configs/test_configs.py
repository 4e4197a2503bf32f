# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Every config that is shipped is built and trained for one step on two pictures."""

from pathlib import Path

import pytest
import torch
import yaml
from expression_trees import expression_roots
from face_trees import (
    utkface_names,
    wflw_line,
    write_cfp,
    write_folders,
    write_utkface,
    write_wflw,
)
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.optim import build_optim_wrapper
from mmengine.visualization import Visualizer
from rafdb_tree import write_rafdb
from shipped_configs import CONFIGS, ROOT, read_config

from mmfer.models import FaceAnalyzer
from mmfer.registry import DATASETS, HOOKS, METRICS, MODELS

EXPRESSION_FOLDERS = ('anger', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
#: Encoders of full width and little depth, for the adapters; the baselines are tested as they are.
THIN = {
    'MobileOne': dict(
        num_blocks=[1, 1, 1, 1],
        width_factor=[0.75, 1.0, 1.0, 2.0],
        num_conv_branches=[1, 1, 1, 1],
        num_se_blocks=[0, 0, 0, 0],
    ),
    'ConvNeXt': dict(depths=[1, 1, 1, 1], channels=[8, 16, 32, 1024]),
    'SwinTransformer': dict(embed_dims=128, depths=[1, 1, 1, 1], num_heads=[4, 8, 16, 32]),
}


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Data roots of small made-up datasets by their types."""
    folder = tmp_path_factory.mktemp('data')
    lines = [wflw_line(f'{number}.jpg') for number in range(20)]
    return {
        'RAFDB': write_rafdb(folder / 'rafdb', size=100),
        'UTKFace': write_utkface(folder / 'utkface', utkface_names(40)),
        'WFLW': write_wflw(folder / 'wflw', lines, lines[:2]),
        'CFP': write_cfp(folder / 'cfp'),
        'AffectNetHQ': write_folders(folder / 'affectnet', dict.fromkeys(EXPRESSION_FOLDERS, 6)),
        **expression_roots(folder),
    }


def small_dataset(cfg: dict, roots: dict[str, Path]):
    """Build the dataset of a config over few or made-up pictures."""
    inner = cfg
    while 'dataset' in inner:
        inner = inner['dataset']
    inner['serialize_data'] = False  # it collects garbage, which takes longer than all the rest
    if inner['type'] == 'SynthFace':
        inner.update(num_samples=14, cache=False)
    elif inner['type'] in roots:
        inner['data_root'] = str(roots[inner['type']])
    if inner['type'] == 'CIFAR10':
        inner['type'] = 'MadeUpCIFAR10'
    return DATASETS.build(cfg)


def small_model(cfg: Config):
    """Build the model of a config without any file; adapters get thin encoders."""
    settings = dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
    if settings['type'] == 'FaceAnalyzer':
        for holder in (settings, *settings['priors'].values()):
            if holder['backbone'].get('arch') in ('s0', 'base'):
                holder['backbone']['arch'] = THIN[holder['backbone']['type']]
        for prior in settings['priors'].values():
            prior['checkpoint'] = None
    return MODELS.build(settings)


def state_of(module: torch.nn.Module) -> list[torch.Tensor]:
    """Parameters and buffers as they are now."""
    return [value.clone() for value in module.state_dict().values()]


def is_changed(before: list[torch.Tensor], module: torch.nn.Module) -> bool:
    return not all(map(torch.equal, before, module.state_dict().values()))


def check_prediction(prediction, head) -> None:
    """A prediction is what its head promises."""
    if head.type == 'AgeHead':
        assert isinstance(prediction.pred_age, float) and 0 < prediction.pred_age < 120
    elif head.type == 'LandmarkHead':
        assert prediction.pred_landmarks.shape == (98, 2)
        assert torch.isfinite(prediction.pred_landmarks).all()
    else:
        assert prediction.pred_score.shape == (head.num_classes,)
        assert prediction.pred_label == prediction.pred_score.argmax()
        # What faces are compared by, where the metrics ask for it.
        assert ('feat' in prediction) == bool(head.get('with_feat'))


def test_there_are_configs_and_their_basenames_are_unique():
    assert len(CONFIGS) > 180
    assert len({path.name for path in CONFIGS}) == len(CONFIGS)  # mim finds configs by basename


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_config_builds_and_trains_one_step(path, roots):
    cfg = read_config(path)
    assert cfg.default_scope == 'mmfer'

    dataset = small_dataset(cfg.train_dataloader.dataset, roots)
    test_set = small_dataset(cfg.test_dataloader.dataset, roots)
    model = small_model(cfg)
    classes, num_classes = dataset.metainfo.get('classes', ()), cfg.model.head.get('num_classes', 0)
    if cfg.train_dataloader.dataset.type == 'CFP':  # 3 of the 500 people
        assert len(classes) < num_classes == 500
    else:
        assert len(classes) == num_classes
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
            METRICS.build(metric)
    Visualizer.get_instance('configs')  # the runner makes one before its hooks, which ask for it
    for hook in (*cfg.default_hooks.values(), *cfg.get('custom_hooks', [])):
        HOOKS.build(hook)

    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {name: state_of(part) for name, part in model.named_children()}
    model.train()
    losses = model.train_step(default_collate([dataset[0], dataset[1]]), optim_wrapper)
    assert torch.isfinite(losses['loss'])
    assert is_changed(before['head'], model.head)
    frozen = isinstance(model, FaceAnalyzer)
    assert is_changed(before['backbone'], model.backbone) != frozen
    if frozen:
        assert is_changed(before['neck'], model.neck)

    model.eval()
    with torch.no_grad():
        (prediction,) = model.test_step(default_collate([test_set[0]]))
    check_prediction(prediction, cfg.model.head)


def test_model_index_names_configs_that_exist():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    for model in index['Models']:
        assert (ROOT / model['Config']).stem == model['Name']
        assert (ROOT / model['Config']).is_file()


def test_leaves_are_small_differences():
    for path in CONFIGS:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        assert len(lines) < 40, path
        assert lines[0].startswith('#'), f'{path} does not say what it is'
