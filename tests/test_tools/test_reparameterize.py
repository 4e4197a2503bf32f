# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmengine.config import Config
from tiny_apvit import ARCH
from tool_calls import run_tool
from toy_analyzer import analyzer_config

from mmfer.apis import get_model
from mmfer.apis.merge_weights import MergeError, merge_weights
from mmfer.inference.load_model import build_model, load_model
from mmfer.registry import MODELS

MODEL = dict(
    backbone=dict(type='MobileOne', arch='s0', out_indices=(3,)),
    neck=dict(type='KTAdapter'),
    head=dict(type='LinearClsHead', num_classes=7, in_channels=1024),
)
META = dict(dataset_meta=dict(classes=('a', 'b')), epoch=3)


@pytest.fixture
def trained(tmp_path):
    """A config and its checkpoint, with BatchNorm statistics as after training."""
    config = tmp_path / 'config.py'
    Config(dict(model=analyzer_config(**MODEL), default_scope='mmfer')).dump(config)
    model = MODELS.build(analyzer_config(**MODEL))
    model.backbone.train()
    with torch.no_grad():
        model.backbone(torch.randn(4, 3, 64, 64))
    path = tmp_path / 'epoch_3.pth'
    torch.save(dict(meta=META, state_dict=model.state_dict(), optimizer={}), path)
    return config, path


def run(*arguments):
    return run_tool('model_converters/reparameterize.py', *arguments)


def test_merged_checkpoint(trained, tmp_path):
    config, path = trained
    out = tmp_path / 'merged.pth'
    done = run(config, path, out, '--size', 64)
    assert done.returncode == 0, done.stderr
    assert 'merged backbone, neck' in done.stdout
    assert '--cfg-options model.backbone.deploy=True model.neck.deploy=True' in done.stdout

    saved = torch.load(out, weights_only=True)
    assert saved.keys() == {'meta', 'state_dict'} and saved['meta'] == META
    cfg = Config.fromfile(config)
    before, _ = load_model(cfg, str(path))
    cfg.model.backbone.deploy = cfg.model.neck.deploy = True
    after, meta = load_model(cfg, str(out))
    assert meta['dataset_meta']['classes'] == ('a', 'b')
    inputs = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(after(inputs), before(inputs), rtol=1e-3, atol=1e-3)
    assert len(after.state_dict()) < len(before.state_dict())

    # An already merged checkpoint is an error, with this config and with a merged one.
    done = run(config, out, tmp_path / 'no.pth', '--size', 64)
    assert done.returncode == 1 and 'missing' in done.stderr
    deploy = ('--cfg-options', 'model.backbone.deploy=True', 'model.neck.deploy=True')
    done = run(config, out, tmp_path / 'no.pth', '--size', 64, *deploy)
    assert done.returncode == 1 and 'branches to merge' in done.stderr
    assert 'Traceback' not in done.stderr and not (tmp_path / 'no.pth').exists()


@pytest.mark.parametrize(
    'name',
    [
        'apvit/apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px',
        'kt_adapter/baselines/mobileone-micro_1xb32-20e_synthface-age-64px',
        'kt_adapter/kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px',
    ],
)
def test_a_merged_checkpoint_contains_the_config_that_builds_it(repo_root, tmp_path, name):
    config = repo_root / f'configs/{name}.py'
    cfg = Config.fromfile(config)
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    trained, out = tmp_path / 'trained.pth', tmp_path / 'merged.pth'
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=model.state_dict()), trained)
    done = run(config, trained, out)
    assert done.returncode == 0, done.stderr
    merged = get_model(out)
    assert sum(1 for _ in merged.parameters()) < sum(1 for _ in model.parameters())
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(merged(images), model(images), rtol=1e-3, atol=1e-3)
    # The printed options build it, too.
    options = done.stdout.strip().splitlines()[-1].partition('--cfg-options ')[2].split()
    assert get_model(config, out, cfg_options=options).backbone is not None


def test_nothing_is_written_if_outputs_differ(tmp_path):
    """A merge that fails, here because BatchNorm is still in training mode."""
    model = MODELS.build(analyzer_config(**MODEL, frozen=False)).train()
    with pytest.raises(MergeError, match='changes the outputs .*nothing was written'):
        merge_weights(model, {}, torch.randn(4, 3, 64, 64), str(tmp_path / 'no.pth'), print)
    assert not (tmp_path / 'no.pth').exists()


def test_a_model_that_selects_at_random_is_merged(tmp_path):
    backbone = dict(
        type='APViT',
        cnn=dict(type='IRNet', depth=18, num_stages=2, base_channels=4),
        arch=ARCH,
        img_size=16,
        app=dict(keep_num=4, criterion='random'),
        atp=dict(keep_rate=0.5, criterion='random'),
    )
    head = dict(type='LinearClsHead', num_classes=7, in_channels=16)
    model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=head)).eval()
    lines = []
    merge_weights(model, {}, torch.randn(8, 3, 16, 16), str(tmp_path / 'a.pth'), lines.append)
    assert lines[0].startswith('merged backbone.cnn') and (tmp_path / 'a.pth').exists()
