# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from task_models import write_task
from tool_calls import run_tool

from mmfer.analysis.pooling import face_batches, pooled_faces
from mmfer.datasets import EXPRESSIONS
from mmfer.datasets.transforms.load_face_image import UnreadableImageError
from mmfer.inference.model_runner import ModelRunner, pack_images
from mmfer.registry import MODELS
from mmfer.visualization.pooling import draw_pooling

CONFIG = 'configs/apvit/apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'


@pytest.fixture(scope='module')
def checkpoint(repo_root, tmp_path_factory):
    """A checkpoint of an untrained model, with class names as training writes them."""
    cfg = Config.fromfile(repo_root / CONFIG).model
    torch.manual_seed(0)
    model = MODELS.build(dict(cfg, _scope_='mmfer'))
    torch.nn.init.normal_(model.head.fc.weight)
    path = tmp_path_factory.mktemp('weights') / 'epoch_1.pth'
    meta = dict(dataset_meta=dict(classes=EXPRESSIONS))
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    return path


@pytest.fixture(scope='module')
def runner(repo_root, checkpoint):
    return ModelRunner.from_files(str(repo_root / CONFIG), str(checkpoint))


def find(runner, num=1, images=()):
    return [
        face for batch in face_batches(runner, num, images) for face in pooled_faces(runner, batch)
    ]


def test_faces_of_the_test_set(runner):
    faces = find(runner, 3)
    assert len(faces) == 3
    for face in faces:
        assert face.image.shape == (64, 64, 3) and face.grid == (8, 8)
        assert [len(face.kept[stage]) for stage in ('app', 'layers.0', 'layers.1')] == [52, 46, 41]
        assert face.prediction in EXPRESSIONS and face.truth in EXPRESSIONS
        assert 1 / 7 < face.confidence <= 1


@pytest.mark.parametrize('size', [(96, 96), (64, 80)])
def test_the_grid_is_that_of_the_images(runner, size):
    batch = pack_images(np.random.default_rng(0).integers(0, 255, (1, *size, 3), np.uint8))
    (face,) = pooled_faces(runner, batch)
    assert face.grid == (size[0] // 8, size[1] // 8)
    assert max(face.kept['app']) < face.grid[0] * face.grid[1]
    draw_pooling([face])


@pytest.mark.parametrize('meta', [{}, dict(dataset_meta=dict(classes=('Anger',)))])
def test_names_of_classes_without_those_of_the_checkpoint(repo_root, checkpoint, tmp_path, meta):
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    torch.save(dict(meta=meta, state_dict=weights), tmp_path / 'weights.pth')
    runner = ModelRunner.from_files(str(repo_root / CONFIG), str(tmp_path / 'weights.pth'))
    assert runner.classes == tuple(EXPRESSIONS)


def test_prediction_is_the_models(runner):
    (face,) = find(runner)
    image = face.image.astype(np.float32)  # RGB, as the model gets it
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    x = (image - mean) / std
    x = torch.from_numpy((x - x.mean()) / x.std()).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        scores = runner.model(x).softmax(-1)[0]
    assert face.prediction == EXPRESSIONS[int(scores.argmax())]
    assert face.confidence == pytest.approx(float(scores.max()), abs=1e-4)


def test_a_frame_labeled_for_another_task_has_no_truth(runner):
    inputs = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    batch = dict(inputs=inputs, data_samples=[DataSample().set_gt_label(-1)])
    (face,) = pooled_faces(runner, batch)
    assert face.truth is None


def test_an_image_of_ones_own_is_resized_and_has_no_truth(runner, tmp_path):
    path = tmp_path / 'face.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (90, 80, 3), np.uint8))
    (face,) = find(runner, images=[str(path)])
    assert face.image.shape == (64, 64, 3) and face.truth is None
    with pytest.raises(UnreadableImageError, match='absent.png'):
        find(runner, images=[str(tmp_path / 'absent.png')])


def test_models_without_patches_or_classes(tmp_path):
    with pytest.raises(TypeError, match='IRNet.*model.backbone'):
        find(ModelRunner.from_files(*write_task(tmp_path, 'expression')))
    with pytest.raises(ValueError, match='age.*model.head'):
        find(ModelRunner.from_files(*write_task(tmp_path, 'age', backbone='apvit')))


def test_checkpoint_of_another_model_is_named(repo_root, tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'fc.weight': torch.zeros(2)}, path)
    with pytest.raises(ValueError, match='other.pth'):
        ModelRunner.from_files(str(repo_root / CONFIG), str(path))


def test_the_command_draws_the_stages_asked_for(repo_root, checkpoint, tmp_path):
    out = tmp_path / 'sheet.png'

    def call(*arguments):
        files = [repo_root / CONFIG, checkpoint, '--out', out]
        return run_tool('visualization/vis_pooling.py', *files, *arguments)

    done = call('--num', '4', '--stages', 'app', '--per-row', '2')
    assert done.returncode == 0, done.stderr
    assert '4 faces' in done.stdout
    height, width = cv2.imread(str(out)).shape[:2]
    assert width > 1.5 * height
    done = call('--num', '1', '--stages', 'layers.2')
    assert done.returncode == 1 and "'layers.1'" in done.stderr
