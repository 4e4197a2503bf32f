# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Poolings and blocks are called as modules, so hooks and wrappers of modules work."""

import copy

import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.runner import turn_on_activation_checkpointing
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import ModuleWrapPolicy

from mmfer.engine.launch import build_runner
from mmfer.models import APViT
from mmfer.models.layers import EncoderLayer
from mmfer.models.pooling_settings import keep_all, use_pooling
from mmfer.registry import MODELS

ARCH = dict(embed_dims=32, num_layers=4, num_heads=4, feedforward_channels=64)
POOLING = dict(app=dict(keep_num=20), atp=dict(keep_rate=0.6, start=2))
POOLINGS = {'no pooling': {}, 'pooling': POOLING, 'a whole last block': dict(out_type='raw')}
every_pooling = pytest.mark.parametrize('arguments', POOLINGS.values(), ids=POOLINGS)


def build(**arguments) -> APViT:
    settings = dict(type='APViT', patch_size=8, img_size=48, arch=ARCH)  # a grid of 6x6
    model = MODELS.build(copy.deepcopy(dict(settings, **arguments)))
    with torch.no_grad():
        model.pos_embed.normal_(std=0.5)
        model.cls_token.normal_(std=0.5)
    return model


def results(model, x):
    """Return the output and the gradients of the parameters."""
    model.zero_grad()
    out = model(x)[0]
    out.square().mean().backward()
    return out.detach(), [p.grad for p in model.parameters()]


@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('with_indices', [False, True])
def test_hooks_see_every_block_in_every_mode(with_cp, with_indices):
    model = build(**POOLING, with_cp=with_cp)
    called = []
    for name in ('app', *(f'layers.{i}' for i in range(4))):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda *_, name=name: called.append(name))
        module.register_full_backward_hook(lambda *_, name=name: called.append(f'{name} back'))
    x = torch.randn(2, 3, 48, 48)
    out = model.forward_with_indices(x)[0] if with_indices else model(x)
    forth = ['app', *(f'layers.{i}' for i in range(4))]
    assert called == forth
    out[0].sum().backward()
    assert called[5:] == [f'{name} back' for name in reversed(forth)]


def test_in_a_forward_pass_blocks_hand_on_tensors():
    model = build(**POOLING)
    shapes = []
    for module in (model.app, *model.layers):
        module.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape)))
    model(torch.randn(2, 3, 48, 48))
    assert shapes == [(2, 20, 32), (2, 21, 32), (2, 21, 32), (2, 13, 32), (2, 1, 32)]


def saved_bytes(model, x) -> int:
    """Return the bytes that autograd saves, without parameters; each storage counts once."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # alive: no pointer is reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(size for size, _ in kept.values())


@every_pooling
@pytest.mark.parametrize('mmengines', [True, False], ids=['activation_checkpointing', 'with_cp'])
def test_checkpointed_blocks_learn_the_same_with_less_memory(arguments, mmengines):
    usual = build(**arguments)
    saving = build(**arguments, with_cp=not mmengines)
    saving.load_state_dict(usual.state_dict())
    if mmengines:
        turn_on_activation_checkpointing(saving, [f'layers.{i}' for i in range(4)])
    x = torch.randn(2, 3, 48, 48)
    torch.testing.assert_close(results(saving, x), results(usual, x))
    assert saved_bytes(saving, x) < saved_bytes(usual, x) / 3


def test_any_single_block_can_be_checkpointed():
    usual = build(**POOLING)
    x = torch.randn(2, 3, 48, 48)
    wanted, whole = results(usual, x), saved_bytes(usual, x)
    for i in range(4):
        saving = build(**POOLING)
        saving.load_state_dict(usual.state_dict())
        turn_on_activation_checkpointing(saving, f'layers.{i}')
        torch.testing.assert_close(results(saving, x), wanted)
        assert saved_bytes(saving, x) < whole


def test_runs_that_checkpoint_blocks_end_with_the_same_weights(tmp_path, repo_root):
    cfg = Config.fromfile(repo_root / 'configs/_base_/iter_runtime.py')
    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path),
            log_level='WARNING',
            randomness=dict(seed=1),
            model=dict(
                type='ImageClassifier',
                data_preprocessor=dict(num_classes=7),
                backbone=dict(type='APViT', patch_size=8, img_size=48, arch=ARCH, **POOLING),
                head=dict(type='LinearClsHead', num_classes=7, in_channels=32),
            ),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                dataset=dict(
                    type='SynthFace',
                    num_samples=4,
                    image_size=48,
                    cache=True,
                    pipeline=[dict(type='PackInputs')],
                ),
                sampler=dict(type='InfiniteSampler'),
                collate_fn=dict(type='default_collate'),
            ),
            train_cfg=dict(by_epoch=False, max_iters=2),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        )
    )
    weights, calls = [], []
    for modules in ([], [f'backbone.layers.{i}' for i in range(4)]):
        cfg.experiment_name = f'checkpointing_{len(modules)}_blocks'
        cfg.activation_checkpointing = modules
        runner = build_runner(cfg)
        called = []
        runner.model.backbone.layers[-1].ln1.register_forward_hook(
            lambda *_, called=called: called.append(1)
        )
        weights.append({k: v.clone() for k, v in runner.train().state_dict().items()})
        calls.append(len(called))
    assert calls == [2, 4]  # once more in each iteration
    torch.testing.assert_close(weights[1], weights[0])


@pytest.fixture(scope='module')
def one_process(tmp_path_factory):
    """A process group with this process only."""
    store = tmp_path_factory.mktemp('group') / 'store'
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@every_pooling
def test_fully_shard_wraps_blocks(one_process, arguments):
    """FSDP2, in PyTorch since 2.6."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    usual = build(**arguments)
    sharded = build(**arguments)
    sharded.load_state_dict(usual.state_dict())
    mesh = init_device_mesh('cpu', (1,))
    for layer in sharded.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    # Registers a method that is called instead of `forward`.
    register_fsdp_forward_method(sharded, 'forward_with_indices')
    x = torch.randn(2, 3, 48, 48)
    wanted, gradients = results(usual, x)
    out, sharded_gradients = results(sharded, x)
    torch.testing.assert_close(out, wanted)
    for ours, theirs in zip(sharded_gradients, gradients, strict=True):
        torch.testing.assert_close(ours.full_tensor(), theirs)
    (_, left), (_, wanted_left) = sharded.forward_with_indices(x), usual.forward_with_indices(x)
    assert left.keys() == wanted_left.keys()
    assert all(torch.equal(left[name], wanted_left[name]) for name in left)


@every_pooling
@pytest.mark.parametrize('use_orig_params', [True, False])
def test_fully_sharded_data_parallel_wraps_blocks(one_process, arguments, use_orig_params):
    """FSDP1, which MMEngine's strategy uses."""
    usual, plain = build(**arguments), build(**arguments)
    plain.load_state_dict(usual.state_dict())
    sharded = FullyShardedDataParallel(
        plain,
        auto_wrap_policy=ModuleWrapPolicy({EncoderLayer}),
        use_orig_params=use_orig_params,
        device_id=torch.device('cpu'),
    )
    assert all(isinstance(layer, FullyShardedDataParallel) for layer in plain.layers)
    x = torch.randn(2, 3, 48, 48)
    wanted, gradients = results(usual, x)
    out, sharded_gradients = results(sharded, x)
    torch.testing.assert_close(out, wanted)
    settings = keep_all(sharded)
    assert settings == keep_all(usual) and sharded.token_counts() == usual.token_counts()
    with use_pooling(sharded, settings), use_pooling(usual, settings):
        torch.testing.assert_close(sharded(x), usual(x))
    sizes = sum(g.square().sum() for g in sharded_gradients if g is not None)
    torch.testing.assert_close(sizes, sum(g.square().sum() for g in gradients))


@pytest.mark.parametrize('out_type', ['cls_token', 'avg_featmap'])
def test_class_activation_maps_of_the_last_block(out_type):
    """What pytorch-grad-cam does, at the default layer of mmpretrain's ``vis_cam.py``."""
    model = build(**POOLING, out_type=out_type).eval()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)]
    target = norms[-3]  # as vis_cam.py counts them, for backbones with a [class] token
    assert target is model.layers[-1].ln1
    seen = {}

    def keep(_, __, out):
        seen['activation'] = out
        out.register_hook(lambda gradient: seen.update(gradient=gradient))

    handle = target.register_forward_hook(keep)
    x = torch.randn(2, 3, 48, 48)
    model(x)[0][:, 0].sum().backward()
    handle.remove()
    activation, gradient = seen['activation'][:, 1:], seen['gradient'][:, 1:]
    assert activation.shape == gradient.shape == (2, 12, 32)
    assert (gradient.abs().sum(-1) > 0).all()
    # Put the kept tokens back on the grid at their positions.
    with torch.no_grad():
        _, left = model.forward_with_indices(x)
    cam = (activation * gradient.mean(1, keepdim=True)).sum(-1).relu()
    grid = torch.zeros(2, 36).scatter(1, left['layers.2'], cam).view(2, 6, 6)
    assert grid.any() and (grid > 0).sum() == (cam > 0).sum()
