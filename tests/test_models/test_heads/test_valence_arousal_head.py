# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.registry import EVALUATORS, MODELS

NAN = float('nan')
#: Some mark missing labels, as in the files of AffectNet and Aff-Wild2.
PARTLY = [(0.5, -0.25), (NAN, NAN), (-0.75, 1), (-2, -2), (1, -1), (-5, -5), (0.1, NAN)]
KNOWN = [0, 2, 4]
LOSSES = ['CCCLoss', 'MSELoss', 'L1Loss']


def build(**kwargs):
    head = MODELS.build(dict(dict(type='ValenceArousalHead', in_channels=8), **kwargs))
    head.init_weights()
    return head


def labeled(*rows):
    samples = []
    for row in rows:
        sample = DataSample(metainfo=dict(img_path=f'faces/{len(samples)}.jpg'))
        sample.set_field(np.array(row, np.float32), 'gt_valence_arousal')
        samples.append(sample)
    return samples


def force(head, outputs):
    """Let the network return ``outputs`` for any input."""
    last = head.layers[-1].fc
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor(outputs)


def test_an_untrained_head_is_a_linear_layer_that_predicts_zero():
    head = build()
    assert list(head.state_dict()) == ['layers.0.fc.weight', 'layers.0.fc.bias']
    assert head((torch.randn(50, 8),)).abs().max() < 0.05


@pytest.mark.parametrize(
    ('activation', 'raw'), [('tanh', np.tanh([3, -0.5]).tolist()), ('linear', [3, -0.5])]
)
def test_predictions_are_in_range(activation, raw):
    head = build(activation=activation)
    force(head, [3, -0.5])
    feats = (torch.zeros(1, 99), torch.randn(2, 8))
    np.testing.assert_allclose(head(feats).detach(), [raw] * 2, rtol=1e-6)
    for sample in (*head.predict(feats), *head.predict(feats, labeled((0, 0), (NAN, 0)))):
        found = sample.pred_valence_arousal.detach()
        assert found.shape == (2,)
        np.testing.assert_allclose(found, np.clip(raw, -1, 1), rtol=1e-6)


@pytest.mark.parametrize('activation', ['tanh', 'linear'])
@pytest.mark.parametrize('name', LOSSES)
def test_unlabeled_samples_change_neither_loss_nor_gradient(name, activation):
    head, x = build(loss=dict(type=name), activation=activation), torch.randn(7, 8)
    torch.nn.init.normal_(head.layers[-1].fc.weight)
    x.requires_grad_()
    (loss,) = head.loss((x,), labeled(*PARTLY)).values()
    target = torch.tensor([PARTLY[index] for index in KNOWN])
    torch.testing.assert_close(loss, MODELS.build(dict(type=name))(head((x[KNOWN],)), target))
    (gradient,) = torch.autograd.grad(loss, x)
    assert gradient.any(dim=1).nonzero().flatten().tolist() == KNOWN


@pytest.mark.parametrize('name', LOSSES)
def test_a_batch_without_labels_has_zero_loss_and_all_gradients(name):
    head = build(loss=dict(type=name), hidden_channels=(4,))
    (loss,) = head.loss((torch.randn(2, 8),), labeled((NAN, NAN), (-2, -2))).values()
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is not None and not p.grad.any() for p in head.parameters())


def test_one_label_has_no_correlation_but_an_error():
    feats, samples = (torch.randn(2, 8),), labeled((0.5, 0.5), (NAN, NAN))
    assert build().loss(feats, samples)['loss'].item() == 0
    assert build(loss=dict(type='L1Loss')).loss(feats, samples)['loss'].item() > 0.4


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('activation', ['tanh', 'linear'])
def test_it_learns(name, activation):
    head, x = build(loss=dict(type=name), activation=activation), torch.randn(32, 8)
    rows = (x[:, :2] / 4).clamp(-1, 1).tolist()
    optimizer = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(200):
        optimizer.zero_grad()
        (loss,) = head.loss((x,), labeled(*rows)).values()
        loss.backward()
        optimizer.step()
    error = (head((x,)) - torch.tensor(rows)).abs().mean()
    assert error < 0.05, 'of labels that deviate by 0.25'


def test_beside_expressions_and_action_units():
    """The joint head adds loss and prediction of this head."""
    part = dict(type='ValenceArousalHead', loss=dict(type='MSELoss', loss_weight=2.0))
    joint = dict(type='ExpressionAUHead', num_classes=3, in_channels=8, valence_arousal=part)
    x = torch.randn(7, 8)
    for num_units in (3, 0):
        head = MODELS.build(dict(joint, num_units=num_units))
        head.init_weights()
        assert head.valence_arousal.layers[0].fc.in_features == 8
        samples = labeled(*PARTLY)
        for index, sample in enumerate(samples):
            sample.set_gt_label(index % 4 - 1)
            if num_units:
                sample.set_field(np.full(3, index % 3 - 1), 'gt_au')
        losses = head.loss((x,), samples)
        (alone,) = head.valence_arousal.loss((x,), samples).values()
        torch.testing.assert_close(losses['loss_valence_arousal'], alone)
        assert ('loss_action_units' in losses) == bool(num_units)
        sum(losses.values()).backward()
        assert all(parameter.grad is not None for parameter in head.parameters())
        for sample in head.predict((x,), samples):
            assert sample.pred_valence_arousal.shape == (2,) and sample.pred_score.shape == (3,)
            assert ('pred_au' in sample) == bool(num_units)


def test_the_metric_reads_it():
    head = build()
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=[dict(type='CCC')]))
    evaluator.process(head.predict((torch.randn(7, 8),), labeled(*PARTLY)))
    assert -1 <= evaluator.evaluate(7)['va/ccc'] <= 1


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda sample: sample.pop('gt_valence_arousal'),
            "gt_valence_arousal.*faces/1.jpg.*algorithm_keys=.'gt_valence_arousal'",
        ),
        (
            lambda sample: sample.set_field(np.zeros(3), 'gt_valence_arousal'),
            r'\(2,\).*faces/1.jpg .*\(3,\)',
        ),
        (lambda sample: sample.set_gt_score([0.3, 0.7, 0]), 'Mixup.*model.train_cfg=None'),
    ],
)
def test_missing_and_misshapen_labels_are_named(change, message):
    samples = labeled((0, 0), (0, 0))
    change(samples[1])
    with pytest.raises(ValueError, match=message):
        build().loss((torch.randn(2, 8),), samples)


def test_wrong_activation_is_named():
    with pytest.raises(ValueError, match="activation .*'sigmoid'"):
        build(activation='sigmoid')
