# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample

from mmfer.registry import EVALUATORS, MODELS


def build(**kwargs):
    head = MODELS.build(dict(dict(type='MLPClsHead', num_classes=3, in_channels=8), **kwargs))
    head.init_weights()
    return head


def labeled(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


def test_without_hidden_layers_it_is_linear():
    head = build(hidden_channels=())
    x = torch.randn(4, 8)
    (layer,) = head.layers
    torch.testing.assert_close(head((x,)), F.linear(x, layer.fc.weight, layer.fc.bias))
    assert head.fc is layer and head.pre_logits((x,)) is x


def test_hidden_layers_have_relu_and_dropout():
    head = build(hidden_channels=(5, 6), dropout_rate=0.3).eval()
    x = torch.randn(4, 8)
    h = x
    for layer in head.layers[:-1]:
        assert layer.dropout.p == 0.3
        h = F.linear(h, layer.fc.weight, layer.fc.bias).relu()
    last = head.layers[-1].fc
    torch.testing.assert_close(head((x,)), F.linear(h, last.weight, last.bias))


def test_loss_is_cross_entropy_of_the_last_features():
    head = build(cal_acc=True)
    feats = (torch.randn(4, 99), torch.randn(4, 8))
    losses = head.loss(feats, labeled(0, 2, 1, 1))
    expected = F.cross_entropy(head(feats), torch.tensor([0, 2, 1, 1]))
    assert losses['loss'].item() == pytest.approx(expected.item())
    assert 'accuracy_top-1' in losses


def test_features_ride_along_only_if_asked_for():
    feats = (torch.randn(2, 8),)
    predictions = build(with_feat=True).predict(feats, labeled(0, 1))
    for row, sample in zip(feats[0], predictions, strict=True):
        assert torch.equal(sample.feat, row)
        assert sample.pred_score.sum().item() == pytest.approx(1)
    assert 'feat' not in build().predict(feats)[0]


def test_a_map_is_averaged():
    head, spatial = build(with_feat=True).eval(), torch.randn(2, 8, 3, 5)
    pooled = spatial.mean((2, 3))
    torch.testing.assert_close(head((spatial,)), head((pooled,)))
    for row, sample in zip(pooled, head.predict((spatial,)), strict=True):
        torch.testing.assert_close(sample.feat, row)


def test_accuracy_and_macro_f1_of_mmpretrain_read_it():
    head = build(hidden_channels=())
    head.fc.fc.weight.data = torch.eye(3, 8)
    head.fc.fc.bias.data.zero_()
    answers, truth = [0, 0, 1, 2], [0, 1, 1, 2]
    predictions = head.predict((torch.eye(3, 8)[answers],), labeled(*truth))
    metrics = [dict(type='Accuracy'), dict(type='SingleLabelMetric', items=('f1-score',))]
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=metrics))
    evaluator.process(predictions)
    results = evaluator.evaluate(4)
    assert results['accuracy/top1'] == pytest.approx(75)
    assert results['single-label/f1-score'] == pytest.approx(100 * (2 / 3 + 2 / 3 + 1) / 3)


def test_missing_label_is_named():
    data = labeled(0, 1)
    data[1] = DataSample(metainfo=dict(img_path='faces/1.png'))
    with pytest.raises(ValueError, match='MLPClsHead .*gt_label.*faces/1.png'):
        build().loss((torch.randn(2, 8),), data)


def test_mixed_up_labels_are_scores():
    data = [DataSample().set_gt_score(torch.tensor([0.5, 0.5, 0])) for _ in range(2)]
    head = build(loss=dict(type='CrossEntropyLoss', use_soft=True))
    assert head.loss((torch.randn(2, 8),), data)['loss'] > 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(num_classes=0), 'num_classes=0'),
        (dict(hidden_channels=64), 'hidden_channels .*64'),
        (dict(in_channels=0), 'in_channels .*0'),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


@pytest.mark.parametrize('hidden', [(), (16,)])
def test_in_a_classifier(hidden):
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='IRNet', depth=18, num_stages=1, base_channels=8),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='MLPClsHead', num_classes=3, in_channels=8, hidden_channels=hidden),
        )
    )
    x = torch.randn(2, 3, 32, 32)
    model(x, labeled(0, 1), mode='loss')['loss'].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.extract_feat(x, stage='pre_logits').shape == (2, hidden[0] if hidden else 8)
