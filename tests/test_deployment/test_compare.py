# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The comparison itself, with stand-ins for exported models that are wrong in known ways."""

import pytest
import torch
from mmengine.config import Config
from task_models import SIZE, task_model, write_task

from mmfer.deployment.answers import torch_answers
from mmfer.deployment.compare import compare, compare_all
from mmfer.deployment.pictures import drawn_pictures, random_pictures, real_pictures
from mmfer.registry import MODELS


class StandIn:
    """Answers as the model does, changed by a function of the outputs."""

    with_preprocessing = False

    def __init__(self, model, change=lambda outputs: None):
        self.model, self.change = model, change

    def __call__(self, inputs):
        outputs = torch_answers_of_inputs(self.model, inputs)
        self.change(outputs)
        return {name: value.numpy() for name, value in outputs.items()}


@torch.no_grad()
def torch_answers_of_inputs(model, inputs):
    from mmfer.deployment.outputs import compute_outputs

    outputs = compute_outputs(model.head, model.extract_feat(torch.from_numpy(inputs)))
    return {name: value.clone() for name, value in outputs.items()}


@pytest.fixture
def model():
    return MODELS.build(task_model('expression')).eval()


PICTURES = random_pictures(5, (SIZE, SIZE))


def test_the_same(model):
    comparison = compare(model, StandIn(model), PICTURES, 'random', 2)
    assert comparison.deviation == 0 and comparison.passes(0)
    assert comparison.largest == dict(scores=0.0, logits=0.0)
    assert (comparison.count, comparison.batch_size, comparison.same_label) == (5, 2, 5)
    assert comparison.open_choices == 0  # nothing is chosen


def test_one_picture_that_differs(model):
    def change(outputs):
        outputs['logits'][-1, 0] += 0.01

    comparison = compare(model, StandIn(model, change), PICTURES, 'random', 5)
    assert comparison.largest['logits'] == pytest.approx(0.01, rel=1e-3)
    largest = torch_answers(model, PICTURES)['logits'].abs().max().item()
    assert comparison.deviation == pytest.approx(0.01 / max(largest, 1), rel=1e-3)
    assert not comparison.passes() and comparison.passes(0.02)


def test_another_label(model):
    def change(outputs):
        outputs['scores'][0] = outputs['scores'][0].flip(0)

    comparison = compare(model, StandIn(model, change), PICTURES, 'random', 5)
    assert comparison.same_label == 4


def test_numbers_that_are_none(model):
    def change(outputs):
        outputs['scores'][2] = torch.nan

    comparison = compare(model, StandIn(model, change), PICTURES, 'random', 5)
    assert not comparison.passes(1e9)


def test_open_choices_are_judged_apart():
    """A black picture: its patches are equal, so any of them may be kept."""
    backbone = dict(
        type='APViT',
        arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16),
        img_size=SIZE,
        patch_size=8,
        app=dict(keep_num=5),
    )
    head = dict(type='LinearClsHead', num_classes=7, in_channels=16)
    model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=head)).eval()
    torch.nn.init.normal_(model.backbone.pos_embed)

    def change(outputs):
        outputs['logits'][1] += 0.5

    pictures = random_pictures(3, (SIZE, SIZE))
    pictures[1] = 0
    comparison = compare(model, StandIn(model, change), pictures, 'random', 3)
    assert comparison.open_choices == 1
    assert comparison.passes() and comparison.deviation == 0
    assert comparison.deviation_open > 0.1
    pictures[1] = pictures[0].flip(1)
    assert not compare(model, StandIn(model, change), pictures, 'random', 3).passes()


def test_all_groups_and_batch_sizes():
    model = MODELS.build(task_model('age')).eval()
    groups = [('one', PICTURES), ('two', PICTURES[:2])]
    rows = compare_all(model, StandIn(model), groups, (1, 7))
    assert [(row.pictures, row.batch_size, row.count) for row in rows] == [
        ('one', 1, 5),
        ('one', 7, 5),
        ('two', 1, 2),
        ('two', 7, 2),
    ]
    assert all(row.same_label is None and set(row.largest) == {'age'} for row in rows)


class TestRealPictures:
    def test_those_of_the_test_set(self, tmp_path):
        cfg = Config.fromfile(write_task(tmp_path, 'expression', num=9)[0])
        name, pictures = real_pictures(cfg, 3, (SIZE, SIZE))
        assert name == 'test set'
        whole = real_pictures(cfg, 100, (SIZE, SIZE))[1]
        assert whole.shape == (9, 3, SIZE, SIZE) and whole.dtype == torch.uint8
        assert torch.equal(pictures, whole[[0, 4, 8]])
        with pytest.raises(ValueError, match=r'makes pictures of \(3, 32, 32\).*--size'):
            real_pictures(cfg, 3, (SIZE, 64))

    def test_drawn_faces_for_want_of_files(self, tmp_path):
        cfg = Config.fromfile(write_task(tmp_path, 'expression')[0])
        cfg.test_dataloader.dataset = dict(type='RAFDB', data_root=str(tmp_path / 'none'))
        name, pictures = real_pictures(cfg, 2, (SIZE, SIZE))
        assert name == 'drawn faces'
        assert torch.equal(pictures, drawn_pictures(2, (SIZE, SIZE)))
        cfg.pop('test_dataloader')
        assert real_pictures(cfg, 2, (SIZE, SIZE))[0] == 'drawn faces'

    def test_drawn_faces_of_any_shape(self):
        pictures = drawn_pictures(2, (32, 48))
        assert pictures.shape == (2, 3, 32, 48) and pictures.dtype == torch.uint8
        assert not torch.equal(pictures[0], pictures[1])
