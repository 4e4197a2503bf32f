# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from task_models import SIZE, write_task

from mmfer.analysis.predictions import Predictor
from mmfer.datasets import EXPRESSIONS
from mmfer.registry import DATASETS


def network_input(predictor, index):
    """A picture as the network gets it, without any of the code under test."""
    image = predictor.dataset[index]['inputs'].flip(0).float()
    return ((image - 127.5) / 127.5)[None]


@pytest.mark.parametrize('adapter', [False, True])
@torch.no_grad()
def test_predictions_are_the_models_in_the_datasets_order(tmp_path, adapter):
    predictor = Predictor.from_files(*write_task(tmp_path, 'expression', adapter))
    faces = list(predictor.run())
    assert [face.index for face in faces] == list(range(12))
    model = predictor.model
    for face in faces[::4]:
        x = network_input(predictor, face.index)
        feats = model.extract_feat(x)
        np.testing.assert_allclose(face.adapted, feats[-1][0], atol=1e-5)
        np.testing.assert_allclose(face.encoded, model.backbone(x)[-1].mean((2, 3))[0], atol=1e-5)
        scores = model.head(feats).softmax(1)[0]
        torch.testing.assert_close(face.sample.pred_score, scores, atol=1e-5, rtol=1e-5)
        assert face.sample.img_path == f'synthface://test/{face.index}'
    assert np.array_equal(faces[0].encoded, faces[0].adapted) == (not adapter)
    assert predictor.classes == EXPRESSIONS


def test_pictures_are_rgb(tmp_path):
    predictor = Predictor.from_files(*write_task(tmp_path, 'age'))
    face = next(predictor.run(1))
    assert face.image.shape == (SIZE, SIZE, 3) and face.image.dtype == np.uint8
    stored = DATASETS.build(dict(predictor.loader.dataset, pipeline=[]))[0]['img']
    np.testing.assert_array_equal(face.image, stored[..., ::-1])
    assert predictor.classes == ()


@pytest.mark.parametrize(('num', 'indices'), [(1, [0]), (3, [0, 6, 11]), (50, list(range(12)))])
def test_a_part_is_spread_evenly(tmp_path, num, indices):
    predictor = Predictor.from_files(*write_task(tmp_path, 'landmarks'))
    assert [face.index for face in predictor.run(num)] == indices


def test_options_override_the_config(tmp_path):
    paths = write_task(tmp_path, 'age')
    options = ['test_dataloader.dataset.num_samples=2']
    assert len(list(Predictor.from_files(*paths, cfg_options=options).run())) == 2


def test_fields_that_a_sample_lacks_are_named(tmp_path):
    predictor = Predictor.from_files(*write_task(tmp_path, 'expression'))
    with pytest.raises(ValueError, match=r"needs gt_age, .*test/0 .*algorithm_keys=\('gt_age',\)"):
        list(predictor.run(fields=('gt_label', 'gt_age')))
    with pytest.raises(ValueError, match='needs pred_age, .*another task'):
        list(predictor.run(fields=('pred_age',)))


def test_splits_that_the_config_lacks_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"no split 'val', only \['test'\]"):
        Predictor.from_files(*write_task(tmp_path, 'age'), split='val')


def test_checkpoint_of_another_model_is_named(tmp_path):
    config, _ = write_task(tmp_path, 'age')
    _, other = write_task(tmp_path, 'landmarks')
    with pytest.raises(ValueError, match='landmarks.pth is no checkpoint of .*age.py'):
        Predictor.from_files(config, other)
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        Predictor.from_files(config, tmp_path / 'absent.pth')
