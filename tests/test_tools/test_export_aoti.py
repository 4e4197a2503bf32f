# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import shutil

import pytest
import torch
from task_models import BACKBONES, SIZE, write_task
from tool_calls import run_tool

from mmfer.deployment.compare import exported_outputs
from mmfer.deployment.exported import AotModel
from mmfer.deployment.load import random_images


def run(*arguments):
    return run_tool('deployment/export_aoti.py', *arguments)


@pytest.mark.skipif(shutil.which('g++') is None, reason='compiling needs g++')
def test_all_options(tmp_path, monkeypatch):
    # Compiling takes seconds for each shape of a layer: one stage, and the adapter's attention.
    backbone = dict(BACKBONES['irnet'], num_stages=1, base_channels=16)
    monkeypatch.setitem(BACKBONES, 'irnet', backbone)
    config, checkpoint = write_task(tmp_path, 'expression', adapter=True)
    out = tmp_path / 'out' / 'net.pt2'
    options = ('--with-preprocessing', '--verify', '--num', 3, '--licence', 'CC0-1.0')
    done = run(config, checkpoint, '--out', out, *options)
    assert done.returncode == 0, done.stderr
    assert 'test set' in done.stdout and 'gives  scores, logits' in done.stdout
    assert done.stdout.splitlines()[-1].startswith('net.pt2: ')
    compiled = AotModel(out)
    facts = compiled.facts
    assert facts['licence'] == 'CC0-1.0' and facts['input_size'] == [SIZE, SIZE]
    assert compiled.with_preprocessing and facts['preprocessing']['inside']
    assert compiled.output_names == ('scores', 'logits')
    report = json.loads(out.with_suffix('.json').read_text())
    assert report['facts'] == facts
    assert {row['batch_size'] for row in report['comparisons']} == {1, 2, 7}
    assert all(row['deviation'] < 1e-5 for row in report['comparisons'])
    images = random_images(2, (SIZE, SIZE))
    again = exported_outputs(AotModel(out.read_bytes()), images)
    for name, value in exported_outputs(compiled, images).items():
        assert torch.equal(value, again[name])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('none.py', '--out', 'a.pt2'), 'none.py'),
        (('CONFIG', '--out', 'a.onnx'), '--out'),
        (('CONFIG', '--out', 'a.pt2', '--size', '0'), '--size'),
        (('CONFIG', '--out', 'a.pt2', '--tolerance', 'nan'), '--tolerance'),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    config, _ = write_task(tmp_path, 'expression')
    done = run(*(config if word == 'CONFIG' else word for word in arguments))
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1]
    assert 'Traceback' not in done.stderr
