# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The comparison, with stand-ins for exported models that are wrong in known ways."""

import pytest
import torch
from task_models import SIZE, task_model

from mmfer.deployment.compare import (
    OPEN_MARGIN,
    SelectionMargins,
    compare,
    compare_all,
    torch_outputs,
)
from mmfer.deployment.exported import ExportedModel
from mmfer.deployment.load import random_images
from mmfer.models.layers import AttentivePatchPooling
from mmfer.models.layers.attentive_pooling import top_indices
from mmfer.registry import MODELS

IMAGES = random_images(5, (SIZE, SIZE))


class StandIn(ExportedModel):
    """An exported model whose outputs are the model's, changed by a function."""

    def __init__(self, model, change=lambda outputs: None):
        preprocessing = dict(mean=[0.0] * 3, std=[1.0] * 3, order='BGR')
        outputs = torch_outputs(model, IMAGES)
        super().__init__('input', outputs, dict(preprocessing=preprocessing), 'stand-in')
        self.eager, self.change = model, change

    def _run(self, inputs):
        outputs = torch_outputs(self.eager, inputs)
        self.change(outputs)
        return list(outputs.values())


@pytest.fixture
def model():
    return MODELS.build(task_model('expression')).eval()


def test_the_same(model):
    comparison = compare(model, StandIn(model), IMAGES, 'random', 2)
    assert comparison.deviation == 0 and comparison.passes(0)
    assert comparison.largest == dict(scores=0.0, logits=0.0)
    assert (comparison.count, comparison.batch_size, comparison.same_label) == (5, 2, 5)
    assert comparison.open_choices == 0  # nothing is selected


def test_one_image_that_differs(model):
    def change(outputs):
        outputs['logits'][-1, 0] += 0.01

    comparison = compare(model, StandIn(model, change), IMAGES, 'random', 5)
    assert comparison.largest['logits'] == pytest.approx(0.01, rel=1e-3)
    largest = torch_outputs(model, IMAGES)['logits'].abs().max().item()
    assert comparison.deviation == pytest.approx(0.01 / max(largest, 1), rel=1e-3)
    assert not comparison.passes() and comparison.passes(0.02)


def test_another_label(model):
    def change(outputs):
        outputs['scores'][0] = outputs['scores'][0].flip(0)

    comparison = compare(model, StandIn(model, change), IMAGES, 'random', 5)
    assert comparison.same_label == 4


def test_outputs_that_are_nan(model):
    def change(outputs):
        outputs['scores'][2] = torch.nan

    comparison = compare(model, StandIn(model, change), IMAGES, 'random', 5)
    assert not comparison.passes(1e9)


def test_near_ties_are_not_judged():
    """All patches of a black image are equal, so any of them may be kept."""
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

    images = random_images(3, (SIZE, SIZE))
    images[1] = 0
    comparison = compare(model, StandIn(model, change), images, 'random', 3)
    assert comparison.open_choices == 1
    assert comparison.passes() and comparison.deviation == 0
    assert comparison.deviation_open > 0.1
    images[1] = images[0].flip(1)
    assert not compare(model, StandIn(model, change), images, 'random', 3).passes()


def test_all_groups_and_batch_sizes():
    model = MODELS.build(task_model('age')).eval()
    groups = [('one', IMAGES), ('two', IMAGES[:2])]
    rows = compare_all(model, StandIn(model), groups, (1, 7))
    assert [(row.images, row.batch_size, row.count) for row in rows] == [
        ('one', 1, 5),
        ('one', 7, 5),
        ('two', 1, 2),
        ('two', 7, 2),
    ]
    assert all(row.same_label is None and set(row.largest) == {'age'} for row in rows)


def test_the_margin_of_a_selection():
    scores = torch.tensor([[8.0, 1.0, 4.0, 2.0], [1.0, -10.0, 1.0, 1.0]])
    with SelectionMargins() as margins:
        kept = top_indices(scores, 2)
    assert torch.equal(kept[0], torch.tensor([0, 2]))
    # (4 - 2) / 8; a tie
    torch.testing.assert_close(margins.smallest(2), torch.tensor([0.25, 0.0]))


def test_the_smallest_of_several_selections_counts():
    clear, close = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[4.0, 3.9, 0.0]])
    with SelectionMargins() as margins:
        clear.topk(1)
        torch.topk(close, 1, dim=-1)
        close.topk(3)  # keeps all, so nothing is selected
    assert margins.smallest(1).item() == pytest.approx(0.1 / 4)


def test_nothing_is_selected():
    with SelectionMargins() as margins:
        torch.zeros(3, 2).sum()
    assert margins.smallest(3).tolist() == [float('inf')] * 3


def test_equal_patches_are_a_tie():
    """Equal patches, as of a flat background, are a tie; different patches are not."""
    pool = AttentivePatchPooling(keep_num=3)
    flat = torch.ones(1, 6, 4)
    clear = flat * torch.arange(1, 7).view(1, 6, 1)
    with SelectionMargins() as margins:
        pooled = pool(torch.cat([flat, clear]))
    assert torch.equal(pooled[1, :, 0], torch.tensor([4.0, 5.0, 6.0]))
    assert (margins.smallest(2) < OPEN_MARGIN).tolist() == [True, False]
