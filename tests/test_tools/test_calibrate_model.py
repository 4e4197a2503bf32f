# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import re

import pytest
import torch
from mmengine.config import Config
from task_models import SIZE, write_task
from tool_calls import run_tool
from torch.nn.functional import cross_entropy, one_hot

from mmfer.apis.models import get_model
from mmfer.apis.publish_model import publish_model
from mmfer.apis.published_facts import published_facts
from mmfer.evaluation.functional.calibration import expected_calibration_error
from mmfer.inference.split_loader import build_split_loader

LINEAR = dict(type='LinearClsHead', num_classes=7, in_channels=16)


@torch.no_grad()
def answers(model, cfg, head=lambda model, feats: model.head(feats)):
    """Return the head's scores for the validation split, and the labels."""
    rows, labels = [], []
    for batch in build_split_loader(cfg, 'val'):
        data = model.data_preprocessor(batch, training=False)
        rows.append(head(model, model.extract_feat(data['inputs'])))
        labels += [sample.gt_label for sample in data['data_samples']]
    return torch.cat(rows), torch.cat(labels)


def write_confident(folder, head=None):
    """A config, and a checkpoint whose last layer is accurate but overconfident."""
    config, checkpoint = write_task(folder, 'expression', num=80)
    cfg = Config.fromfile(config)
    cfg.val_dataloader = dict(cfg.test_dataloader, dataset=cfg.test_dataloader.dataset)
    cfg.val_dataloader.dataset.split = 'val'
    if head is not None:
        cfg.model.head = head
    cfg.dump(config)
    model = get_model(cfg)
    feats, labels = answers(model, cfg, lambda model, x: model.head.pre_logits(x))
    feats = torch.cat([feats, torch.ones(len(feats), 1)], 1).double()
    solved = torch.linalg.lstsq(feats, one_hot(labels, 7).double(), driver='gelsd').solution
    layer = getattr(model.head.fc, 'fc', model.head.fc)
    layer.weight.data = 40 * solved[:-1].T.float()
    layer.bias.data = 40 * solved[-1].float()
    meta = dict(epoch=12, cfg=cfg.pretty_text)
    weights = dict(model.state_dict(), **{'priors.age.weight': torch.ones(2)})
    torch.save(dict(state_dict=weights, meta=meta, optimizer={}), checkpoint)
    return config, checkpoint


def run(*arguments):
    return run_tool('analysis_tools/calibrate_model.py', *arguments)


@pytest.mark.parametrize('head', [LINEAR, None], ids=['linear', 'mlp'])
def test_scores_are_calibrated_and_classes_stay(tmp_path, head):
    config, checkpoint = write_confident(tmp_path, head)
    out, plot = tmp_path / 'calibrated.pth', tmp_path / 'plot.png'
    done = run(config, checkpoint, '--out', out, '--plot', plot)
    assert done.returncode == 0, done.stderr
    assert plot.stat().st_size > 1000

    cfg = Config.fromfile(config)
    (before, labels), (after, _) = (answers(get_model(config, p), cfg) for p in (checkpoint, out))
    saved = torch.load(out, weights_only=True)
    facts = saved['meta'].pop('calibration')
    torch.testing.assert_close(after, before / facts['temperature'], rtol=1e-4, atol=1e-4)
    assert torch.equal(after.argmax(1), before.argmax(1))
    for name, logits in (('before', before), ('after', after)):
        expected = expected_calibration_error(logits.softmax(1), labels)
        assert facts[f'ece_{name}'] == pytest.approx(expected, abs=1e-3)
        assert facts[f'nll_{name}'] == pytest.approx(cross_entropy(logits, labels).item(), 1e-4)
    assert facts['temperature'] > 2 and facts['images'] == 80
    assert facts['nll_after'] < 0.7 * facts['nll_before']
    assert facts['ece_after'] < 0.7 * facts['ece_before']
    assert f'temperature {facts["temperature"]:.4f}' in done.stdout
    assert re.search(r'ECE \S+ -> \S+ %\nNLL \S+ -> \S+\n', done.stdout)

    # Nothing else changed.
    original = torch.load(checkpoint, weights_only=True)
    assert saved.keys() == {'meta', 'state_dict'} and saved['meta'] == original['meta']
    assert saved['state_dict'].keys() == original['state_dict'].keys()
    changed = {
        name
        for name, value in original['state_dict'].items()
        if not torch.equal(value, saved['state_dict'][name])
    }
    layer = 'head.fc' if head else 'head.layers.1.fc'
    assert changed == {f'{layer}.weight', f'{layer}.bias'}


def test_the_published_file_has_the_results(tmp_path):
    config, checkpoint = write_confident(tmp_path)
    assert run(config, checkpoint, '--out', tmp_path / 'a.pth').returncode == 0
    path = publish_model(config, tmp_path / 'a.pth', tmp_path / 'net.safetensors', half=True)
    facts = torch.load(tmp_path / 'a.pth', weights_only=True)['meta']['calibration']
    assert published_facts(path)['calibration'] == facts
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        whole = get_model(config, tmp_path / 'a.pth')(images)
        torch.testing.assert_close(get_model(path)(images), whole, rtol=0, atol=0.1)

    # A second calibration would only store its own temperature.
    for again in (tmp_path / 'a.pth', path):
        done = run(config, again, '--out', tmp_path / 'b.pth')
        assert done.returncode == 1 and 'already' in done.stderr
    assert not (tmp_path / 'b.pth').exists()


def test_models_that_cannot_be_calibrated(tmp_path):
    config, checkpoint = write_task(tmp_path, 'age')
    done = run(config, checkpoint, '--out', tmp_path / 'b.pth')
    assert done.returncode == 1 and 'AgeHead' in done.stderr and 'LinearClsHead' in done.stderr

    config, checkpoint = write_task(tmp_path, 'expression')
    done = run(config, checkpoint, '--out', tmp_path / 'b.pth')
    assert done.returncode == 1 and "'val'" in done.stderr

    done = run(config, checkpoint, '--out', tmp_path / 'b.safetensors')
    assert done.returncode == 1 and '.pth' in done.stderr
    done = run(config, tmp_path / 'none.pth', '--out', tmp_path / 'b.pth')
    assert done.returncode == 2 and 'none.pth' in done.stderr
    assert not list(tmp_path.glob('b.*'))
