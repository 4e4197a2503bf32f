# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from mmfer.models import IRNet


def test_ir50_has_the_published_size_and_output():
    net = IRNet(depth=50, num_stages=3)
    assert sum(p.numel() for p in net.parameters()) == 17_611_968
    assert [len(stage) for stage in net.stages] == [3, 4, 14]
    with torch.no_grad():
        (out,) = net.eval()(torch.zeros(1, 3, 112, 112))
    assert out.shape == (1, 256, 14, 14)


@pytest.mark.parametrize('unit', IRNet.UNIT_TYPES)
@pytest.mark.parametrize('depth', IRNet.UNITS)
def test_out_indices_and_widths(depth, unit):
    net = IRNet(depth=depth, num_stages=4, out_indices=(0, 1, 3), base_channels=2, unit=unit)
    outs = net(torch.randn(2, 3, 32, 32))
    assert [tuple(o.shape) for o in outs] == [(2, 2, 16, 16), (2, 4, 8, 8), (2, 16, 2, 2)]


def test_unit_equals_its_formula():
    net = IRNet(depth=18, num_stages=1, base_channels=4).eval()
    unit = net.stages[0][0]  # same width, stride 2: the shortcut subsamples
    x = torch.randn(1, 4, 8, 8)
    y = unit.bn2(unit.conv2(unit.act(unit.conv1(unit.bn1(x)))))
    torch.testing.assert_close(unit(x), y + x[:, :, ::2, ::2])


def test_unit_of_insightface_equals_its_formula():
    net = trained_net(num_stages=1, unit='iresnet')
    x = torch.randn(1, 4, 8, 8)
    for unit in net.stages[0]:  # the first has stride 2, the second stride 1
        conv1, bn1 = unit.conv1
        y = unit.bn2(unit.conv2(unit.act(bn1(conv1(unit.bn1(x))))))
        shortcut = x
        if unit is net.stages[0][0]:
            conv, bn = unit.shortcut
            assert conv.stride == (2, 2) and conv.weight.shape == (4, 4, 1, 1)
            shortcut = bn(conv(x))
        torch.testing.assert_close(unit(x), y + shortcut)
        x = unit(x)


def test_frozen_stages_stay_frozen_in_training():
    net = IRNet(depth=18, num_stages=3, base_channels=2, frozen_stages=1).train()
    frozen = [*net.stem.parameters(), *net.stages[0].parameters()]
    assert not any(p.requires_grad for p in frozen)
    assert all(p.requires_grad for p in net.stages[1].parameters())
    assert not net.stages[0].training and net.stages[1].training


def test_norm_eval_keeps_statistics():
    net = IRNet(depth=18, num_stages=2, base_channels=2, norm_eval=True).train()
    assert not any(m.training for m in net.modules() if isinstance(m, _BatchNorm))
    before = {k: v.clone() for k, v in net.state_dict().items() if 'running' in k}
    net(torch.randn(4, 3, 16, 16))
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(depth=20), 'depth.*18.*got 20'),
        (dict(num_stages=5), 'num_stages.*got 5'),
        (dict(out_indices=(3,)), r'out_indices.*0\.\.2.*\(3,\)'),
        (dict(frozen_stages=4), 'frozen_stages.*got 4'),
        (dict(unit='basic'), "unit.*iresnet.*'basic'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        IRNet(**arguments)


def trained_net(**arguments):
    """A small net with changed BatchNorm statistics and PReLU slopes."""
    net = IRNet(**{**dict(depth=18, num_stages=3, base_channels=4), **arguments})
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 2)
                module.bias.normal_(std=0.3)
    return net.eval()


@pytest.mark.parametrize('channels_last', [True, False])
@torch.no_grad()
def test_deployed_net_gives_the_same(channels_last):
    net = trained_net(out_indices=(0, 1, 2))
    x = torch.randn(2, 3, 24, 24)
    wanted = net(x)
    norms = sum(isinstance(m, _BatchNorm) for m in net.modules())
    net.switch_to_deploy()
    if channels_last:
        net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(net(x), wanted, atol=1e-4, rtol=1e-5)
    # The first BatchNorm of each of the six units is not merged.
    assert norms == 1 + 6 * 2 + 2 and sum(isinstance(m, _BatchNorm) for m in net.modules()) == 6

    built = IRNet(18, 3, (0, 1, 2), base_channels=4, deploy=True).eval()
    built.load_state_dict(net.state_dict())
    assert built.deploy and net.deploy
    torch.testing.assert_close(built(x), wanted, atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_deployed_net_of_insightfaces_units_gives_the_same():
    net = trained_net(unit='iresnet')
    x = torch.randn(2, 3, 24, 24)
    (wanted,) = net(x)
    net.switch_to_deploy()
    torch.testing.assert_close(net(x)[0], wanted, atol=1e-4, rtol=1e-5)
    assert sum(isinstance(m, _BatchNorm) for m in net.modules()) == 6  # the first of each unit


def gradients(net, x):
    net.zero_grad()
    outs = net(x)
    sum(out.square().mean() for out in outs).backward()
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


@pytest.mark.parametrize('frozen_stages', [-1, 1])
def test_checkpointing_changes_neither_gradients_nor_statistics(frozen_stages):
    usual = trained_net(frozen_stages=frozen_stages).train()
    saving = trained_net(frozen_stages=frozen_stages, with_cp=True).train()
    saving.load_state_dict(usual.state_dict())
    called = []
    for number, stage in enumerate(saving.stages):
        stage.register_forward_hook(lambda *_, number=number: called.append(number))
    x = torch.randn(4, 3, 16, 16)
    wanted, found = gradients(usual, x), gradients(saving, x)
    assert called == list(range(len(saving.stages)))  # stages are called as modules here as well
    assert wanted.keys() == found.keys() and wanted
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, msg=name)
    # BatchNorm does not count the recomputation as another batch.
    after = saving.state_dict()
    for name, value in usual.state_dict().items():
        torch.testing.assert_close(after[name], value, msg=name)
    assert all(m.momentum == 0.1 for m in saving.modules() if isinstance(m, _BatchNorm))


def test_convolutions_start_by_xavier_uniform_and_norms_as_the_identity():
    net = IRNet(depth=18, base_channels=16)
    net.init_weights()
    norms = 0
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            outputs, inputs, *kernel = module.weight.shape
            bound = (6 / ((inputs + outputs) * kernel[0] * kernel[1])) ** 0.5
            weight, n = module.weight.detach(), module.weight.numel()
            assert 0.95 * bound < weight.abs().max() <= bound
            # Uniform distribution: with kurtosis 1.8 the error of the variance is sqrt(0.8 / n).
            assert weight.var().item() == pytest.approx(bound**2 / 3, rel=5 * (0.8 / n) ** 0.5)
        elif isinstance(module, torch.nn.BatchNorm2d):
            norms += 1
            assert (module.weight == 1).all() and not module.bias.any()
    assert norms == 1 + 6 * 2 + 2
