# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Every config that is shipped is built and trained for one step on two pictures."""

from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.optim import build_optim_wrapper
from mmengine.visualization import Visualizer
from rafdb_tree import write_rafdb

from mmfer.registry import DATASETS, HOOKS, METRICS, MODELS

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(p for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts)


@pytest.fixture(scope='module')
def rafdb(tmp_path_factory):
    return write_rafdb(tmp_path_factory.mktemp('rafdb'), size=100)


def small_dataset(cfg: dict, rafdb: Path):
    """Build the dataset of a config over few or made-up pictures."""
    inner = cfg
    while 'dataset' in inner:
        inner = inner['dataset']
    if inner['type'] == 'RAFDB':
        inner['data_root'] = str(rafdb)
    else:
        inner.update(num_samples=14, cache=False)
    return DATASETS.build(cfg)


def test_there_are_configs_and_their_basenames_are_unique():
    assert len(CONFIGS) > 20
    names = [p.name for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts]
    assert len(set(names)) == len(names)  # mim finds configs by basename


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_config_builds_and_trains_one_step(path, rafdb):
    cfg = Config.fromfile(path)
    assert cfg.default_scope == 'mmfer'

    dataset = small_dataset(cfg.train_dataloader.dataset, rafdb)
    test_set = small_dataset(cfg.test_dataloader.dataset, rafdb)
    preprocessor = cfg.data_preprocessor
    model = MODELS.build(dict(cfg.model, data_preprocessor=preprocessor))
    assert len(dataset.metainfo['classes']) == cfg.model.head.num_classes
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
            METRICS.build(metric)
    Visualizer.get_instance('configs')  # the runner makes one before its hooks, which ask for it
    for hook in (*cfg.default_hooks.values(), *cfg.get('custom_hooks', [])):
        HOOKS.build(hook)

    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    head_before = [p.detach().clone() for p in model.head.parameters()]
    model.train()
    losses = model.train_step(default_collate([dataset[0], dataset[1]]), optim_wrapper)
    assert torch.isfinite(losses['loss'])
    head_after = list(model.head.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(head_before, head_after, strict=True))

    model.eval()
    with torch.no_grad():
        (prediction,) = model.test_step(default_collate([test_set[0]]))
    assert prediction.pred_score.shape == (cfg.model.head.num_classes,)


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
