# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from mmfer.models.layers import AttentivePatchPooling, LANet, LocalAttention


def released(squeeze, bn1, score, bn2):
    """The released code's LANet on maps ``(B, C, H, W)``, with its layers."""
    return nn.Sequential(squeeze, bn1, nn.ReLU(), score, bn2, nn.Sigmoid())


def on_maps(lanet: LANet) -> nn.Sequential:
    """The same net of convolutions and 2-D BatchNorm, with the same weights."""
    channels, hidden = lanet.squeeze.in_features, lanet.squeeze.out_features
    net = released(
        nn.Conv2d(channels, hidden, 1),
        nn.BatchNorm2d(hidden),
        nn.Conv2d(hidden, 1, 1),
        nn.BatchNorm2d(1),
    )
    for theirs, ours in ((0, lanet.squeeze), (1, lanet.bn1), (3, lanet.score), (4, lanet.bn2)):
        state = ours.state_dict()
        if isinstance(ours, nn.Linear):
            state['weight'] = state['weight'][..., None, None]
        net[theirs].load_state_dict(state)
    return net


@pytest.mark.parametrize('training', [True, False])
def test_it_is_the_released_net_of_convolutions(training):
    lanet = LANet(32)
    for bn in (lanet.bn1, lanet.bn2):
        nn.init.uniform_(bn.weight, 0.5, 1.5)
        nn.init.normal_(bn.bias)
        bn.running_mean.normal_()
        bn.running_var.uniform_(0.5, 1.5)
    lanet.train(training)
    net = on_maps(lanet).train(training)
    x = torch.randn(3, 32, 4, 5)
    wanted = net(x)
    torch.testing.assert_close(lanet(x.flatten(2).mT), wanted.flatten(1))
    assert wanted.min() > 0 and wanted.max() < 1
    torch.testing.assert_close(lanet.bn1.running_var, net[1].running_var)


def test_the_papers_form_has_two_linear_layers_and_no_bounds():
    lanet = LANet(32, norm=False, sigmoid=False)
    x = 100 * torch.randn(2, 5, 32)
    hidden = (x @ lanet.squeeze.weight.T + lanet.squeeze.bias).clamp_min(0)
    torch.testing.assert_close(lanet(x), (hidden * lanet.score.weight).sum(-1) + lanet.score.bias)
    assert [name for name, _ in lanet.named_parameters()] == [
        'squeeze.weight',
        'squeeze.bias',
        'score.weight',
        'score.bias',
    ]
    assert lanet(x).abs().max() > 1


@pytest.mark.parametrize(('form', 'norms', 'sigmoid'), [('release', 2, True), ('paper', 0, False)])
def test_forms_of_patch_pooling(form, norms, sigmoid):
    app = AttentivePatchPooling(3, criterion='lanet', in_channels=32, lanet_form=form)
    kinds = [type(module) for module in app.lanet.modules()]
    assert kinds.count(nn.BatchNorm1d) == norms and (nn.Sigmoid in kinds) == sigmoid


@pytest.mark.parametrize(('form', 'norms'), [('release', 2), ('paper', 0)])
def test_forms_of_transfer_both_end_in_a_sigmoid(form, norms):
    for branch in LocalAttention(32, lanet_form=form).branches:
        kinds = [type(module) for module in branch.modules()]
        assert kinds.count(nn.BatchNorm1d) == norms and nn.Sigmoid in kinds


def test_the_release_is_the_default():
    app = AttentivePatchPooling(3, criterion='lanet', in_channels=32)
    for lanet in (app.lanet, *LocalAttention(32).branches):
        assert isinstance(lanet.bn2, nn.BatchNorm1d) and isinstance(lanet.last, nn.Sigmoid)


def test_unknown_forms_are_named():
    with pytest.raises(ValueError, match="app.lanet_form.*'paper'.*'plain'"):
        AttentivePatchPooling(3, lanet_form='plain')
    with pytest.raises(ValueError, match="model.backbone.lanet_form.*'paper'.*'plain'"):
        LocalAttention(32, lanet_form='plain')


def test_weights_without_batchnorm_are_named(monkeypatch):
    said = []
    monkeypatch.setattr('mmfer.models.layers.lanet.print_log', lambda m, *_: said.append(m))
    plain, released = LANet(32, norm=False), nn.Sequential(LANet(32))
    weights = {f'0.{name}': value for name, value in plain.state_dict().items()}
    with pytest.raises(RuntimeError, match='0.bn1.weight'):
        released.load_state_dict(weights)
    (line,) = said
    assert line.startswith('0.: ') and "lanet_form='paper'" in line
    plain.load_state_dict(plain.state_dict())
    released.load_state_dict(released.state_dict())
    assert len(said) == 1
