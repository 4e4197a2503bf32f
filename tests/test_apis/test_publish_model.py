# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest
import torch
from mmengine.config import Config
from published import FACTS
from task_models import SIZE, task_model, write_task
from tool_calls import run_tool

from mmfer.apis.models import get_model
from mmfer.apis.publish_model import publish_model
from mmfer.apis.published_facts import published_facts
from mmfer.checkpoint import CheckpointError
from mmfer.checkpoint.safetensors_file import read_safetensors
from mmfer.datasets import EXPRESSIONS
from mmfer.registry import MODELS


@pytest.fixture
def trained(tmp_path):
    """A config, and a training checkpoint with an optimizer and frozen priors."""
    config, checkpoint = write_task(tmp_path, 'expression', adapter=True)
    content = torch.load(checkpoint, weights_only=True)
    content['state_dict']['priors.age.conv.weight'] = torch.ones(5)
    content['optimizer'] = dict(state={0: dict(exp_avg=torch.ones(1000))})
    content['meta'] = dict(epoch=3, dataset_meta=dict(classes=EXPRESSIONS))
    torch.save(content, checkpoint)
    return config, checkpoint


def test_weights_and_facts(trained, tmp_path):
    path = publish_model(*trained, tmp_path / 'out/net.safetensors', licence='CC-BY-4.0')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path == tmp_path / f'out/net-{digest[:8]}.safetensors'
    weights, meta = read_safetensors(path)
    model = MODELS.build(task_model('expression', adapter=True))
    assert weights.keys() == model.state_dict().keys()
    assert meta.pop('cfg') == Config.fromfile(trained[0]).pretty_text
    assert meta.pop('source_sha256') == hashlib.sha256(trained[1].read_bytes()).hexdigest()
    assert meta.pop('mmfer_version')
    assert meta == dict(
        classes=list(EXPRESSIONS),
        input_size=[SIZE, SIZE],
        licence='CC-BY-4.0',
        preprocessing=dict(mean=[127.5] * 3, std=[127.5] * 3, order='RGB', standardize=False),
        task='expression',
    )


def test_twice_is_the_same(trained, tmp_path):
    first = publish_model(*trained, tmp_path / 'a/net.safetensors')
    second = publish_model(*trained, tmp_path / 'b/net.safetensors')
    assert first.name == second.name and first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize('task', ['age', 'landmarks', 'recognition'])
def test_other_tasks(task, tmp_path):
    path = publish_model(*write_task(tmp_path, task), tmp_path / 'net.safetensors')
    meta = read_safetensors(path)[1]
    assert meta['task'] == task
    assert meta.get('classes') == (['0', '1', '2'] if task == 'recognition' else None)


@torch.no_grad()
def test_the_published_file_is_a_model(trained, tmp_path):
    """It needs no separate config, and has the same outputs."""
    path = publish_model(*trained, tmp_path / 'net.safetensors')
    published, original = get_model(path), get_model(*trained)
    images = torch.randn(4, 3, SIZE, SIZE)
    assert torch.equal(published(images)[-1], original(images)[-1])
    assert published._dataset_meta['classes'] == EXPRESSIONS


class TestHalf:
    def test_loaded_as_float32(self, trained, tmp_path):
        """Outputs differ by rounding to 11 bits; batch counters stay integers."""
        whole = publish_model(*trained, tmp_path / 'net.safetensors')
        path = publish_model(*trained, tmp_path / 'half.safetensors', half=True)
        stored, meta = read_safetensors(path)
        assert meta == read_safetensors(whole)[1]
        assert {value.dtype for value in stored.values()} == {torch.float16, torch.int64}
        sizes = [file.stat().st_size - len(str(meta)) for file in (path, whole)]
        assert sizes[0] < 0.7 * sizes[1]
        model, original = get_model(path), get_model(whole)
        for name, value in model.state_dict().items():
            exact = original.state_dict()[name]
            assert value.dtype == exact.dtype
            torch.testing.assert_close(value, exact, rtol=2**-11, atol=2**-25)
        with torch.no_grad():
            images = torch.randn(4, 3, SIZE, SIZE)
            torch.testing.assert_close(model(images)[-1], original(images)[-1], rtol=0, atol=5e-3)

    def test_damage_is_detected(self, trained, tmp_path):
        path = publish_model(*trained, tmp_path / 'half.safetensors', half=True)
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        (tmp_path / 'damaged.safetensors').write_bytes(content)
        with pytest.raises(CheckpointError, match='sha256'):
            get_model(tmp_path / 'damaged.safetensors')

    def test_numbers_beyond_its_range(self, trained, tmp_path):
        content = torch.load(trained[1], weights_only=True)
        name = next(name for name in content['state_dict'] if name.endswith('running_var'))
        content['state_dict'][name][0] = 70_000
        torch.save(content, trained[1])
        with pytest.raises(ValueError, match=f'{name}.*--half'):
            publish_model(*trained, tmp_path / 'net.safetensors', half=True)
        assert publish_model(*trained, tmp_path / 'net.safetensors')


def test_a_calibration_goes_with_the_weights(trained, tmp_path):
    content = torch.load(trained[1], weights_only=True)
    content['meta']['calibration'] = dict(temperature=1.5, split='val')
    torch.save(content, trained[1])
    path = publish_model(*trained, tmp_path / 'net.safetensors')
    assert published_facts(path)['calibration'] == dict(temperature=1.5, split='val')


def test_own_parts_need_their_config(trained, tmp_path, monkeypatch):
    """The weights can be published anyway."""
    head = 'own_published_head.OwnHead'
    (tmp_path / 'own_published_head.py').write_text(
        'from mmfer.models.heads import MLPClsHead\nclass OwnHead(MLPClsHead): pass\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = tmp_path / 'own.py'
    config.write_text(f"{trained[0].read_text()}\nmodel['head']['type'] = {head!r}\n")
    done = run_tool(
        'model_converters/publish_model.py',
        *(config, trained[1], tmp_path / 'net.safetensors'),
    )
    (path,) = tmp_path.glob('net-*.safetensors')
    assert done.returncode == 0 and f'config.model.head.type {head!r}' in done.stdout
    with pytest.raises(ValueError, match='--model CONFIG --weights'):
        get_model(path)


class TestCommand:
    def call(self, *arguments):
        return run_tool('model_converters/publish_model.py', *arguments)

    def test_it_writes(self, trained, tmp_path):
        done = self.call(*trained, tmp_path / 'net.safetensors')
        (path,) = tmp_path.glob('net-*.safetensors')
        assert done.returncode == 0 and str(path) in done.stdout, done.stderr
        assert read_safetensors(path)[1]['licence'] in done.stdout

    def test_all_options(self, trained, tmp_path):
        (tmp_path / 'facts.yml').write_text(FACTS)
        options = ('--half', '--facts', tmp_path / 'facts.yml', '--licence', 'CC0-1.0')
        done = self.call(*trained, tmp_path / 'net.safetensors', *options)
        (path,) = tmp_path.glob('net-*.safetensors')
        assert done.returncode == 0, done.stderr
        weights, meta = read_safetensors(path)
        assert weights['head.layers.0.fc.weight'].dtype == torch.float16
        assert meta['facts']['training_data'][0]['name'] == 'Drawn faces'
        done = self.call(*trained, tmp_path / 'a.safetensors', '--facts', tmp_path / 'none.yml')
        assert done.returncode == 2 and 'none.yml' in done.stderr

    def test_a_checkpoint_of_another_model(self, trained, tmp_path):
        torch.save({'fc.weight': torch.zeros(2)}, tmp_path / 'other.pth')
        done = self.call(trained[0], tmp_path / 'other.pth', tmp_path / 'a.safetensors')
        assert done.returncode == 1 and 'is not a checkpoint of' in done.stderr


def test_a_config_that_knows_only_a_part_of_the_weights(tmp_path):
    """It can be loaded, but was not trained like this."""
    _, checkpoint = write_task(tmp_path, 'expression', adapter=True)
    config, _ = write_task(tmp_path, 'expression')
    with pytest.raises(ValueError, match='weights.*neck'):
        publish_model(config, checkpoint, tmp_path / 'net.safetensors')


def test_wrong_arguments(trained, tmp_path):
    with pytest.raises(ValueError, match='.safetensors'):
        publish_model(*trained, tmp_path / 'net.pth')
    with pytest.raises(FileNotFoundError, match='config'):
        publish_model(tmp_path / 'none.py', trained[1], tmp_path / 'net.safetensors')
    bad = tmp_path / 'bad.py'
    bad.write_text(trained[0].read_text() + '\ncustom = range(3)\n')
    with pytest.raises(ValueError, match='cannot be stored.*line'):
        publish_model(bad, trained[1], tmp_path / 'net.safetensors')
