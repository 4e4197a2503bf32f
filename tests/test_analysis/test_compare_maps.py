# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tool_calls import run_tool

from mmfer.analysis.compare_maps import compare_maps, local_map_rows, recorded_maps
from mmfer.analysis.pooling import face_batches, pooled_faces
from mmfer.datasets import EXPRESSIONS
from mmfer.inference.model_runner import ModelRunner
from mmfer.registry import MODELS

APVIT = 'configs/apvit/apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'
BASELINE = 'configs/apvit/apvit-baseline_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'
TRANSFER = 'configs/transfer/transfer_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'
FEW = ['test_dataloader.dataset.num_samples=14']


@pytest.fixture(scope='module')
def models(repo_root, tmp_path_factory):
    """Configs and checkpoints of untrained models, by config."""
    folder = tmp_path_factory.mktemp('weights')
    files = {}
    for number, name in enumerate((APVIT, BASELINE, TRANSFER)):
        torch.manual_seed(0)
        model = MODELS.build(dict(Config.fromfile(repo_root / name).model, _scope_='mmfer'))
        checkpoint = folder / f'{number}.pth'
        meta = dict(dataset_meta=dict(classes=EXPRESSIONS))
        torch.save(dict(meta=meta, state_dict=model.state_dict()), checkpoint)
        files[name] = (str(repo_root / name), str(checkpoint))
    return files


@torch.no_grad()
def test_the_map_is_what_multiplies_the_features(models):
    """For any output of the branches."""
    backbone = ModelRunner.from_files(*models[TRANSFER]).model.backbone
    passed = []
    backbone.local.register_forward_hook(lambda _, args, out: passed.append((args[0], out)))
    with recorded_maps(backbone) as maps:
        backbone(torch.randn(2, 3, 64, 64))
    backbone(torch.randn(2, 3, 64, 64))
    assert len(maps) == 1 and maps[0].shape == (2, 64)
    features, weighed = passed[0]
    torch.testing.assert_close(features * maps[0].unsqueeze(-1), weighed)
    assert maps[0].std() > 0


def test_both_models_see_the_same_faces(models):
    pooled = ModelRunner.from_files(*models[APVIT], FEW)
    transfer = ModelRunner.from_files(*models[TRANSFER])
    (batch,) = face_batches(pooled, 2)
    rows = local_map_rows(pooled, transfer, batch)
    faces = pooled_faces(pooled, batch)
    with recorded_maps(transfer.model.backbone) as maps:
        transfer.predict(batch)
    for row, face, weights in zip(rows, faces, maps[0], strict=True):
        np.testing.assert_array_equal(row.kept, face.kept['app'])
        np.testing.assert_array_equal(row.image, face.image)
        np.testing.assert_allclose(row.weights, weights.view(8, 8).numpy(), rtol=1e-5)
        assert row.truth == face.truth and row.grid == (8, 8)
    transfer.model.backbone.img_size = (112, 112)
    with pytest.raises(ValueError, match=r'\(64, 64\).*\(112, 112\)'):
        local_map_rows(pooled, transfer, batch)


def test_panels_of_figure_1(models):
    options = [*FEW, 'model.backbone.app.keep_num=20']
    figure = compare_maps(*models[APVIT], models[TRANSFER], num=2, cfg_options=options)
    panels = [axes for axes in figure.axes if axes.get_images()]
    heads = ['input', 'TransFER:\nattention map', 'APP:\nk = 20 of 64']
    assert [panel.get_title() for panel in panels] == [*heads, '', '', '']
    assert panels[0].get_xlabel() in EXPRESSIONS
    assert (
        'transfer_resnet18' in figure.get_suptitle() and 'apvit_resnet18' in figure.get_suptitle()
    )


def test_other_models_are_named(models):
    with pytest.raises(ValueError, match='type=TransFER.*APViT'):
        compare_maps(*models[APVIT], models[BASELINE], num=1)
    with pytest.raises(ValueError, match='apvit-baseline.*model.backbone.app'):
        compare_maps(*models[BASELINE], models[TRANSFER], num=1)


def test_the_command(models, tmp_path):
    out = tmp_path / 'figure1.png'
    cv2.imwrite(str(tmp_path / 'face.png'), np.full((90, 80, 3), 90, np.uint8))

    def call(*arguments):
        return run_tool('visualization/vis_pooling.py', *models[APVIT], '--out', out, *arguments)

    done = call('--images', tmp_path / 'face.png', '--transfer', *models[TRANSFER])
    assert done.returncode == 0, done.stderr
    assert f'drawn to {out}' in done.stdout and cv2.imread(str(out)) is not None
    done = call('--num', '1', '--transfer', *models[BASELINE])
    assert done.returncode == 1 and 'TransFER' in done.stderr
    assert call('--stages', 'app', '--transfer', *models[TRANSFER]).returncode == 2
