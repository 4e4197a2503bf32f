# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import shutil

import pytest
from task_models import SIZE, write_task
from tool_calls import run_tool

from mmfer.deployment.exported import AotModel


def run(*arguments):
    return run_tool('deployment/export_aoti.py', *arguments)


@pytest.mark.skipif(shutil.which('g++') is None, reason='compiling needs g++')
def test_everything(tmp_path):
    config, checkpoint = write_task(tmp_path, 'expression', adapter=True)
    out = tmp_path / 'out' / 'net.pt2'
    done = run(config, checkpoint, '--out', out, '--verify', '--num', 3, '--licence', 'CC0-1.0')
    assert done.returncode == 0, done.stderr
    assert 'test set' in done.stdout and 'gives  scores, logits' in done.stdout
    facts = AotModel(out).facts
    assert facts['licence'] == 'CC0-1.0' and facts['input_size'] == [SIZE, SIZE]
    report = json.loads(out.with_suffix('.json').read_text())
    assert report['facts'] == facts
    assert all(row['deviation'] < 1e-4 for row in report['comparisons'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('none.py', '--out', 'a.pt2'), 'there is no config none.py'),
        (('CONFIG', '--out', 'a.onnx'), '--out is NAME.pt2'),
        (('CONFIG', '--out', 'a.pt2', '--size', '0'), '--size takes one or two positive'),
        (('CONFIG', '--out', 'a.pt2', '--tolerance', 'nan'), '--tolerance is at least 0'),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    config, _ = write_task(tmp_path, 'expression')
    done = run(*(config if word == 'CONFIG' else word for word in arguments))
    assert done.returncode == 2 and message in done.stderr
    assert 'Traceback' not in done.stderr
