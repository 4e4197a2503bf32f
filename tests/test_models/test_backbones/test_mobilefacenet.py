# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from public_face_nets import NARROW, mobilefacenet_rows
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmfer.models import MobileFaceNet
from mmfer.registry import MODELS


@pytest.mark.parametrize(('arch', 'channels'), [('base', (64, 128, 128)), ('mbf', (128, 256, 256))])
@torch.no_grad()
def test_the_four_maps(arch, channels):
    net = MobileFaceNet(4, (0, 1, 2, 3), arch).eval()
    outs = net(torch.zeros(1, 3, 112, 112))
    sizes = [(1, width, side, side) for width, side in zip(channels, (28, 14, 7), strict=True)]
    assert [tuple(out.shape) for out in outs] == [*sizes, (1, 512, 7, 7)]
    # Weights of the convolution; per channel two of BatchNorm and one of PReLU.
    wanted = sum(
        torch.Size(shape).numel() + shape[0] * (2 if 'linear' in events else 3)
        for _, shape, _, _, events in mobilefacenet_rows(MobileFaceNet.ARCHS[arch], 'port')
    )
    assert sum(p.numel() for p in net.parameters()) == wanted


def test_the_whole_net_has_the_published_size():
    """With the embedding, which is omitted here: 0.99 M in the paper, 2.05 M in InsightFace."""
    for arch, embedding, published in (('base', 128, 0.99e6), ('mbf', 512, 2.05e6)):
        rest = 512 * 49 + 2 * 512 + 512 * embedding + 2 * embedding
        net = MobileFaceNet(4, arch=arch)
        assert sum(p.numel() for p in net.parameters()) + rest == pytest.approx(published, rel=0.02)


def test_by_default_it_ends_with_the_patches_of_apvit():
    net = MobileFaceNet()
    assert len(net.stages) == 2 and net.out_indices == (1,)
    backbone = dict(type='APViT', cnn=dict(type='MobileFaceNet'), arch='deit-tiny', img_size=112)
    backbone = MODELS.build(backbone)
    assert backbone.grid == (14, 14) and backbone.projection.in_features == 128


def trained_net(**arguments) -> MobileFaceNet:
    """A narrow net with changed BatchNorm statistics."""
    net = MobileFaceNet(**{**dict(num_stages=4, arch=NARROW), **arguments})
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 2)
                module.bias.normal_(std=0.3)
    return net.eval()


@torch.no_grad()
def test_deployed_net_gives_the_same():
    net = trained_net(out_indices=(0, 1, 2, 3))
    x = torch.randn(2, 3, 32, 32)
    wanted = net(x)
    net.switch_to_deploy()
    assert not any(isinstance(m, _BatchNorm) for m in net.modules())
    torch.testing.assert_close(net(x), wanted, atol=1e-5, rtol=1e-4)
    built = trained_net(out_indices=(0, 1, 2, 3), deploy=True)
    built.load_state_dict(net.state_dict())
    torch.testing.assert_close(built(x), wanted, atol=1e-5, rtol=1e-4)


def test_frozen_stages_stay_frozen_in_training():
    net = trained_net(frozen_stages=1).train()
    frozen = [*net.stem.parameters(), *net.stages[0].parameters()]
    assert not any(p.requires_grad for p in frozen)
    assert not net.stem[0].bn.training and not net.stages[0].training
    assert all(p.requires_grad for p in net.stages[1].parameters()) and net.stages[1].training


def test_norm_eval_keeps_statistics():
    net = trained_net(norm_eval=True).train()
    before = {k: v.clone() for k, v in net.state_dict().items() if 'running' in k}
    net(torch.randn(4, 3, 32, 32))
    assert before and all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())
    assert net.stages[0][0].training


def test_the_initialization_of_a_config_is_not_drawn_over():
    """MMCV's ConvModule draws new weights whenever its ``init_weights`` is called."""
    cnn = dict(type='MobileFaceNet', arch=NARROW)
    cnn['init_cfg'] = dict(type='Constant', layer='Conv2d', val=0.25)
    arch = dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16)
    backbone = MODELS.build(dict(type='APViT', cnn=cnn, arch=arch, img_size=32))
    backbone.init_weights()
    convs = [m for m in backbone.cnn.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 2 + 3 * 7 and all((conv.weight == 0.25).all() for conv in convs)


def test_convolutions_start_by_the_number_of_their_outputs():
    net = MobileFaceNet()
    net.init_weights()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.weight[0, 0].numel()
            n = module.weight.numel()
            wanted = pytest.approx(2 / fan_out, rel=5 * (2 / n) ** 0.5)
            assert module.weight.detach().var().item() == wanted
        elif isinstance(module, nn.PReLU):
            assert (module.weight == 0.25).all()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(num_stages=5), 'num_stages.*got 5'),
        (dict(out_indices=(2,)), r'out_indices.*0\.\.1.*num_stages=2.*\(2,\)'),
        (dict(frozen_stages=3), 'frozen_stages.*num_stages=2.*got 3'),
        (dict(arch='large'), "arch.*'mbf'.*'large'"),
        (dict(arch=dict(stages=())), 'arch.*stem_channels'),
        (dict(arch=dict(NARROW, stages=((8, 8, 8),) * 3)), r'arch\.stages.*\(8, 8, 8\)'),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MobileFaceNet(**arguments)
