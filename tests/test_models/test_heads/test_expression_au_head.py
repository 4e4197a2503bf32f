# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from forked_processes import run_pair
from mmengine.model import MMDistributedDataParallel
from mmpretrain.structures import DataSample

from mmfer.registry import EVALUATORS, MODELS

NONE = [-1, -1, -1]


def build(**kwargs):
    settings = dict(type='ExpressionAUHead', num_classes=3, in_channels=8, num_units=3)
    head = MODELS.build(dict(settings, **kwargs))
    head.init_weights()
    return head


def labeled(*rows):
    """Samples with (expression, action units), in the format of the datasets."""
    samples = []
    for label, units in rows:
        sample = DataSample(metainfo=dict(img_path=f'faces/{len(samples)}.jpg'))
        sample.set_gt_label(label).set_field(np.array(units, np.int8), 'gt_au')
        samples.append(sample)
    return samples


def slow_losses(head, x, samples):
    """Compute the definition, sample by sample and unit by unit."""
    expressions, units = [], []
    for row, sample in zip(x, samples, strict=True):
        if sample.gt_label >= 0:
            expressions.append(-head.fc(row).log_softmax(0)[sample.gt_label.item()])
        for logit, unit in zip(head.fc_au(row), sample.gt_au, strict=True):
            if unit >= 0:
                p = logit.sigmoid()
                units.append(-(p.log() if unit == 1 else (1 - p).log()))
    return sum(expressions) / len(expressions), sum(units) / len(units)


PARTLY = [(0, [1, 0, 1]), (-1, [0, 0, 1]), (2, NONE), (1, [1, -1, -1]), (-1, NONE)]


def test_losses_are_means_over_labels():
    head, x, samples = build(), torch.randn(5, 8), labeled(*PARTLY)
    losses = head.loss((torch.randn(5, 99), x), samples)
    assert set(losses) == {'loss_expression', 'loss_action_units'}
    for found, expected in zip(losses.values(), slow_losses(head, x, samples), strict=True):
        torch.testing.assert_close(found, expected)


def test_weights_of_the_config_multiply():
    x, samples = torch.randn(5, 8), labeled(*PARTLY)
    head = build(
        loss=dict(type='CrossEntropyLoss', loss_weight=10.0),
        au_loss=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=0.5),
    )
    expression, action_units = slow_losses(head, x, samples)
    losses = head.loss((x,), samples)
    torch.testing.assert_close(losses['loss_expression'], 10 * expression)
    torch.testing.assert_close(losses['loss_action_units'], 0.5 * action_units)


def test_unlabeled_samples_change_neither_loss_nor_gradient():
    head, x = build(), torch.randn(5, 8, requires_grad=True)
    kept = [0, 1, 2, 3]
    losses = sum(head.loss((x,), labeled(*PARTLY)).values())
    (gradient,) = torch.autograd.grad(losses, x)
    fewer = sum(head.loss((x[kept],), labeled(*PARTLY[:4])).values())
    torch.testing.assert_close(losses, fewer)
    torch.testing.assert_close(gradient, torch.autograd.grad(fewer, x)[0])
    assert not gradient[4].any() and gradient[1].any()


@pytest.mark.parametrize(
    ('rows', 'silent'),
    [
        ([(-1, [1, 0, 1]), (-1, NONE)], 'expression'),
        ([(2, NONE), (0, NONE)], 'action_units'),
        ([(-1, NONE), (-1, NONE)], 'both'),
    ],
)
def test_a_batch_without_labels_of_a_task_has_zero_loss_and_all_gradients(rows, silent):
    head = build()
    losses = head.loss((torch.randn(2, 8),), labeled(*rows))
    sum(losses.values()).backward()
    for task, layer in (('expression', head.fc), ('action_units', head.fc_au)):
        is_silent = silent in (task, 'both')
        assert (losses[f'loss_{task}'].item() == 0) == is_silent
        assert layer.weight.grad is not None
        assert (layer.weight.grad.abs().sum() == 0) == is_silent


def test_gradients_stay_finite_where_unlabeled_logits_are_huge():
    head, x = build(), torch.randn(2, 8)
    head.fc.weight.data *= 1e6
    sum(head.loss((x,), labeled((-1, [1, 0, 1]), (1, NONE))).values()).backward()
    assert torch.isfinite(head.fc.weight.grad).all()


def test_other_losses_of_mmpretrain():
    x, samples = torch.randn(5, 8), labeled(*PARTLY)
    smooth = dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=3, mode='original')
    weighted = dict(type='CrossEntropyLoss', use_sigmoid=True, pos_weight=[3.0, 2.0, 1.0])
    head = build(loss=smooth, au_loss=weighted)
    losses = head.loss((x,), samples)
    known = [0, 2, 3]
    expected = F.cross_entropy(
        head.fc(x[known]), torch.tensor([PARTLY[i][0] for i in known]), label_smoothing=0.1
    )
    torch.testing.assert_close(losses['loss_expression'], expected)
    units = torch.tensor([row[1] for row in PARTLY])
    mask = units >= 0
    each = F.binary_cross_entropy_with_logits(
        head.fc_au(x),
        units.clamp(min=0).float(),
        pos_weight=torch.tensor([3.0, 2.0, 1.0]),
        reduction='none',
    )
    torch.testing.assert_close(losses['loss_action_units'], each[mask].mean())


def test_accuracy_of_a_batch_is_over_the_labeled():
    head = build(cal_acc=True)
    head.fc.weight.data, head.fc.bias.data = torch.eye(3, 8), torch.zeros(3)
    x = torch.eye(8)[[0, 1, 2, 0]]
    losses = head.loss((x,), labeled((0, NONE), (-1, NONE), (2, NONE), (1, NONE)))
    (accuracy,) = losses['accuracy_top-1']
    assert accuracy.item() == pytest.approx(100 * 2 / 3)
    assert 'accuracy_top-1' not in head.loss((x[:1],), labeled((-1, NONE)))


def test_predictions_are_those_of_a_classifier_and_the_units():
    head, x = build(), torch.randn(2, 8)
    samples = head.predict((x,), labeled(*PARTLY[:2]))
    for row, sample in zip(x, samples, strict=True):
        torch.testing.assert_close(sample.pred_score, head.fc(row).softmax(0))
        assert sample.pred_label == sample.pred_score.argmax()
        torch.testing.assert_close(sample.pred_au, head.fc_au(row).sigmoid())
    assert head.predict((x,))[0].pred_au.shape == (3,)
    assert torch.equal(head((x,)), head.fc(x))


def test_weights_of_a_linear_head_fit():
    plain = MODELS.build(dict(type='LinearClsHead', num_classes=3, in_channels=8))
    head = build()
    missing, unexpected = head.load_state_dict(plain.state_dict(), strict=False)
    assert missing == ['fc_au.weight', 'fc_au.bias'] and not unexpected


def test_metrics_read_it():
    head = build()
    samples = head.predict((torch.randn(5, 8),), labeled(*PARTLY))
    metrics = [
        dict(type='LabeledOnly', metric=dict(type='Accuracy')),
        dict(type='ActionUnitF1'),
    ]
    evaluator = EVALUATORS.build(dict(type='Evaluator', metrics=metrics))
    evaluator.process(samples)
    results = evaluator.evaluate(5)
    right = [s.pred_label.item() == s.gt_label.item() for s in samples if s.gt_label >= 0]
    assert results['accuracy/top1'] == pytest.approx(100 * np.mean(right))
    assert 0 <= results['au_f1/mean'] <= 100


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda sample: sample.pop('gt_au'), "gt_au.*faces/1.jpg.*algorithm_keys=.'gt_au'"),
        (lambda sample: sample.pop('gt_label'), 'needs gt_label.*faces/1.jpg'),
        (lambda sample: sample.set_gt_score([0.3, 0.7, 0]), 'Mixup.*model.train_cfg=None'),
        (
            lambda sample: sample.set_field(np.zeros(12), 'gt_au'),
            r'gt_au .*\(3,\).*faces/1.jpg .*\(12,\)',
        ),
    ],
)
def test_missing_and_misshapen_labels_are_named(change, message):
    samples = labeled(*PARTLY[:2])
    change(samples[1])
    with pytest.raises(ValueError, match=message):
        build().loss((torch.randn(2, 8),), samples)


@pytest.mark.parametrize('num_units', [-1, 1.5, True])
def test_wrong_number_of_units_is_named(num_units):
    with pytest.raises(ValueError, match=f'num_units .*{num_units}'):
        build(num_units=num_units)


def test_features_of_the_wrong_width_are_named():
    with pytest.raises(ValueError, match='model.head.in_channels=9'):
        build().loss((torch.randn(2, 9),), labeled(*PARTLY[:2]))


class _Head(torch.nn.Module):
    """Computes the loss of the head in ``forward``, for distributed training."""

    def __init__(self):
        super().__init__()
        self.head = build()

    def forward(self, x, samples):
        return sum(self.head.loss((x,), samples).values())


def _one_of_two_processes(rank, folder):
    dist.init_process_group('gloo')
    torch.manual_seed(0)
    model = MMDistributedDataParallel(_Head(), device_ids=None)  # every parameter needs a gradient
    # One process has expression labels only, the other action units only.
    rows = [(0, NONE), (2, NONE)] if rank == 0 else [(-1, [1, 0, 1]), (-1, [0, 1, 1])]
    x = torch.randn(2, 8, generator=torch.Generator().manual_seed(rank))
    for _ in range(2):  # the second pass fails if a parameter had no gradient
        model.zero_grad()
        model(x, labeled(*rows)).backward()
    torch.save([parameter.grad for parameter in model.parameters()], f'{folder}/{rank}.pt')


def test_two_processes_with_different_labels(tmp_path):
    run_pair(_one_of_two_processes, tmp_path)
    first, second = (torch.load(tmp_path / f'{rank}.pt') for rank in (0, 1))
    assert len(first) == 4
    for one, other in zip(first, second, strict=True):
        assert one.any() and torch.equal(one, other)


@pytest.mark.parametrize('zero', [True, False])
def test_a_hidden_layer_of_the_action_units(zero):
    init = dict(init_cfg=dict(type='Constant', layer='Linear', val=0)) if zero else {}
    head, x = build(au_hidden_channels=5, **init).train(), torch.randn(6, 8)
    rows = [(0, [1, 0, 1]), (1, [0, 0, 1]), (2, [1, 1, 0])] * 2
    assert head.fc_au.weight.any() == (not zero)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    for _ in range(2):  # a zero classifier passes gradients to the hidden layer from step 2 on
        optimizer.zero_grad()
        losses = head.loss((x,), labeled(*rows))
        sum(losses.values()).backward()
        optimizer.step()
    assert all(p.grad.any() for name, p in head.named_parameters() if name != 'hidden_au.0.bias')

    hidden = x @ head.hidden_au[0].weight.T + head.hidden_au[0].bias
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + 1e-5).sqrt()
    hidden = (hidden * head.hidden_au[1].weight + head.hidden_au[1].bias).clamp_min(0)
    wanted = hidden @ head.fc_au.weight.T + head.fc_au.bias
    torch.testing.assert_close(head.au_logits((x,)), wanted)
    (sample, *_) = head.eval().predict((x,))
    assert torch.equal(sample.pred_au, head.au_logits((x,)).sigmoid()[0])
    assert torch.equal(sample.pred_score, head.fc(x).softmax(1)[0])


def test_no_hidden_layer_has_no_parameters():
    assert [name for name, _ in build().named_parameters()] == [
        'fc.weight',
        'fc.bias',
        'fc_au.weight',
        'fc_au.bias',
    ]
    with pytest.raises(ValueError, match='au_hidden_channels.*0'):
        build(au_hidden_channels=0)
