# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmfer.analysis.compare_attention import compare_attention
from mmfer.datasets import EXPRESSIONS
from mmfer.registry import MODELS

APVIT = 'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px'
BASELINE = 'apvit-baseline_resnet18-vit-tiny_1xb16-12e_synthface-64px'


@pytest.fixture(scope='module')
def models(repo_root, tmp_path_factory):
    """Configs and checkpoints of untrained models, by name."""
    folder = tmp_path_factory.mktemp('weights')
    files = {}
    for name in (APVIT, BASELINE):
        config = repo_root / f'configs/apvit/{name}.py'
        torch.manual_seed(0)
        model = MODELS.build(dict(Config.fromfile(config).model, _scope_='mmfer'))
        checkpoint = folder / f'{name}.pth'
        meta = dict(dataset_meta=dict(classes=EXPRESSIONS))
        torch.save(dict(meta=meta, state_dict=model.state_dict()), checkpoint)
        files[name] = (config, checkpoint)
    return files


def shown_images(figure):
    return [axes for axes in figure.axes if axes.get_images()]


def test_columns_of_figure_7(models):
    options = ['test_dataloader.dataset.num_samples=14']
    figure = compare_attention(
        *models[APVIT], models[BASELINE], keep_nums=(40, 20), num=2, cfg_options=options
    )
    panels = shown_images(figure)
    assert len(panels) == 2 * 5
    assert [panel.get_title() for panel in panels[:5]] == [
        'input',
        'k = 40 of 64',
        'k = 20 of 64',
        'attribution,\napvit-baseline',
        'attribution,\napvit',
    ]
    assert figure.get_suptitle() == APVIT
    for row in (panels[:5], panels[5:]):
        face, forty, twenty = (panel.get_images()[0].get_array() for panel in row[:3])
        # A patch has 8x8 pixels; dropped patches are nearly white.
        for kept, number in ((forty, 40), (twenty, 20)):
            patches = (kept == face).reshape(8, 8, 8, 8, 3).all(axis=(1, 3, 4))
            assert patches.sum() == number
            assert kept[~np.kron(patches, np.ones((8, 8), bool))].min() > 220


def test_models_whose_configs_have_the_same_name(models, tmp_path):
    files = []
    for name in (APVIT, BASELINE):
        config, checkpoint = models[name]
        copy = tmp_path / name / 'config.py'
        copy.parent.mkdir()
        Config.fromfile(config).dump(copy)
        files.append((copy, checkpoint))
    options = ['test_dataloader.dataset.num_samples=7']
    figure = compare_attention(*files[0], files[1], num=1, cfg_options=options)
    heads = [panel.get_title() for panel in shown_images(figure)][-2:]
    assert heads == ['attribution,\nbaseline', 'attribution,\npooled']


def test_own_images_without_a_baseline(models, tmp_path):
    path = tmp_path / 'face.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (90, 80, 3), np.uint8))
    figure = compare_attention(*models[APVIT], images=[str(path)], method='rollout', title='')
    heads = [panel.get_title() for panel in shown_images(figure)]
    assert heads[1:4] == ['k = 52 of 64', 'k = 39 of 64', 'k = 26 of 64']  # 160, 120, 80 of 196
    assert heads[4:] == ['rollout,\nnothing pooled', 'rollout,\npooled']
    assert not figure.get_suptitle()


def test_keep_numbers_are_checked_against_the_grid(models):
    with pytest.raises(ValueError, match='keep_num=160'):
        compare_attention(*models[APVIT], keep_nums=(160, 120, 80))
    with pytest.raises(ValueError, match='keep_num=40.*model.backbone.app'):
        compare_attention(*models[BASELINE], keep_nums=(40,))
