# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json

import pytest
import torch
from task_models import SIZE, write_task
from tool_calls import run_tool

from mmfer.datasets import EXPRESSIONS
from mmfer.deployment.exported import OnnxModel

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
pytest.importorskip('onnxscript', reason='onnxscript is not installed')


def run(tool, *arguments):
    return run_tool(f'deployment/{tool}.py', *arguments)


@pytest.fixture
def trained(tmp_path):
    """A config with a test set and its metric, and a checkpoint with class names."""
    config, checkpoint = write_task(tmp_path, 'expression', adapter=True)
    config.write_text(config.read_text() + "\ntest_evaluator = dict(type='Accuracy', topk=(1,))\n")
    content = torch.load(checkpoint, weights_only=True)
    content['meta'] = dict(dataset_meta=dict(classes=EXPRESSIONS))
    torch.save(content, checkpoint)
    return config, checkpoint


def test_all_options(trained, tmp_path):
    out = tmp_path / 'out' / 'net.onnx'
    options = ('--verify', '--int8', '--int8-num', 6, '--num', 3, '--licence', 'CC-BY-4.0')
    done = run('export_onnx', *trained, '--out', out, *options)
    assert done.returncode == 0, done.stderr
    assert 'gives  scores (batch, 7)' in done.stdout
    assert 'metrics of 6 images' in done.stdout and 'accuracy/top1' in done.stdout

    exported = OnnxModel(out)
    assert exported.facts == dict(
        classes=list(EXPRESSIONS),
        config='expression-adapter',
        input_size=[SIZE, SIZE],
        licence='CC-BY-4.0',
        mmfer_version=exported.facts['mmfer_version'],
        precision='float32',
        preprocessing=dict(
            mean=[127.5] * 3, std=[127.5] * 3, order='RGB', standardize=False, inside=False
        ),
        task='expression',
        trained=True,
    )
    assert OnnxModel(out.with_suffix('.int8.onnx')).facts['precision'] == 'int8'
    report = json.loads(out.with_suffix('.json').read_text())
    assert [speed['name'] for speed in report['speed']] == ['net.onnx', 'net.int8.onnx']
    assert ' times as fast as FaceInferencer on this machine (' in done.stdout.splitlines()[-1]
    assert report['facts'] == exported.facts and report['tolerance'] == 1e-4
    rows = [(row['images'], row['batch_size'], row['count']) for row in report['comparisons']]
    expected = [('random pixels', size, 7) for size in (1, 2, 7)]
    assert rows == expected + [('test set', size, 3) for size in (1, 2, 7)]
    assert all(row['deviation'] < 1e-4 for row in report['comparisons'])
    assert report['int8']['images'] == 6
    assert report['int8']['metrics'].keys() == {'float32', 'int8'}
    assert report['int8']['bytes'] == out.with_suffix('.int8.onnx').stat().st_size


@pytest.mark.parametrize('task', ['expression', 'landmarks'])
def test_another_size(tmp_path, task):
    """``--verify`` compares on the test set at the requested size."""
    out = tmp_path / 'net.onnx'
    options = ('--size', 48, 64, '--verify', '--num', 3)
    done = run('export_onnx', *write_task(tmp_path, task), '--out', out, *options)
    assert done.returncode == 0, done.stderr
    assert 'test set, resized' in done.stdout
    exported = OnnxModel(out)
    assert exported.facts['input_size'] == [48, 64]
    if task == 'landmarks':  # in pixels of the images
        points = exported(torch.zeros(1, 3, 48, 64))['landmarks'][0]
        assert points.mean(0).tolist() == pytest.approx([31.5, 23.5], abs=4)  # of an untrained head
    with pytest.raises(ValueError, match='48x64 pixels.*got 64x48.*--size'):
        exported(torch.zeros(1, 3, 64, 48))


def test_nothing_is_written_if_outputs_differ(trained, tmp_path):
    out = tmp_path / 'net.onnx'
    done = run('export_onnx', *trained, '--out', out, '--verify', '--num', 2, '--tolerance', 0)
    assert done.returncode == 1 and '--tolerance 0;' in done.stderr
    assert 'above 0' in done.stdout and 'Traceback' not in done.stderr
    assert not list(tmp_path.glob('net*'))


def test_without_a_checkpoint_and_with_preprocessing(trained, tmp_path):
    out = tmp_path / 'net.onnx'
    options = ('--with-preprocessing', '--size', 48, '--no-timing')
    done = run('export_onnx', trained[0], '--out', out, *options)
    assert done.returncode == 0, done.stderr
    assert 'gives  logits' in done.stdout.splitlines()[-1]
    assert 'weights are random' in done.stdout + done.stderr
    exported = OnnxModel(out)
    assert exported.input_shape == ('batch', 48, 48, 3)
    assert exported.facts['trained'] is False and exported.facts['preprocessing']['inside'] is True
    assert not out.with_suffix('.json').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('none.py', '--out', 'a.onnx'), 'none.py'),
        (('CONFIG', 'none.pth', '--out', 'a.onnx'), 'none.pth'),
        (('CONFIG', '--out', 'a.onnx', '--cfg-options', 'model.hed=1'), 'model.head'),
        (('CONFIG', '--out', 'a.pth'), '--out'),
        (('CONFIG', '--out', 'a.onnx', '--num', '0'), '--num'),
    ],
)
def test_wrong_arguments(trained, arguments, message):
    done = run('export_onnx', *(trained[0] if word == 'CONFIG' else word for word in arguments))
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1]
    assert 'Traceback' not in done.stderr


def test_the_comparison_is_kept_if_there_is_no_test_set(tmp_path):
    out = tmp_path / 'net.onnx'
    files = write_task(tmp_path, 'expression')  # no evaluator
    done = run('export_onnx', *files, '--out', out, '--verify', '--num', 2, '--int8')
    assert done.returncode == 1 and 'test_evaluator' in done.stderr
    report = json.loads(out.with_suffix('.json').read_text())
    assert report['comparisons'] and 'int8' not in report


def test_a_checkpoint_of_another_model(trained, tmp_path):
    torch.save({'fc.weight': torch.zeros(2)}, tmp_path / 'other.pth')
    done = run('export_onnx', trained[0], tmp_path / 'other.pth', '--out', tmp_path / 'a.onnx')
    assert done.returncode == 1 and 'other.pth' in done.stderr


def test_benchmark(trained, tmp_path):
    out = tmp_path / 'times.json'
    options = ('--batch-sizes', 1, 3, '--rounds', 3, '--int8', '--json', out)
    done = run('benchmark_onnx', trained[0], *options)
    assert done.returncode == 0, done.stderr
    assert '1 thread(s)' in done.stdout
    figures = json.loads(out.read_text())
    rows = [(row['batch_size'], row['variant']) for row in figures['results']]
    names = ('PyTorch eager', 'ONNX Runtime', 'ONNX Runtime int8')
    assert rows == [(size, name) for size in (1, 3) for name in names]
    for row in figures['results']:
        assert 0 < row['low'] <= row['median'] <= row['high'] and row['speed_up'] > 0
    assert figures['environment']['threads'] == 1
    assert run('benchmark_onnx', trained[0], '--rounds', 1).returncode == 2


def test_configs_of_a_folder(trained, tmp_path):
    """A config that differs only in training is not exported again."""
    text = trained[0].read_text()
    (tmp_path / 'second.py').write_text(text + "\nmodel['frozen'] = False\n")
    done = run('export_configs', tmp_path, '--list')
    assert done.returncode == 0 and '2 configs, 1 graphs' in done.stdout, done.stderr
    out = tmp_path / 'exports.json'
    done = run('export_configs', tmp_path, '--json', out)
    assert done.returncode == 0, done.stderr
    assert '1 of 1 graphs (2 configs) agree with PyTorch' in done.stdout
    (graph,) = json.loads(out.read_text())['graphs']
    assert graph['configs'] == ['expression-adapter', 'second'] and graph['ok']
    assert [row['batch_size'] for row in graph['comparisons']] == [1, 2]
    done = run('export_configs', tmp_path, '--tolerance', 0)
    assert done.returncode == 1 and 'DIFFERS' in done.stdout
    assert run('export_configs', tmp_path / 'none').returncode == 2
