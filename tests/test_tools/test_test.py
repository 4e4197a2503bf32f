# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from task_models import write_task
from tool_calls import run_tool


@pytest.mark.parametrize('hooks', ['', 'default_hooks = None\nvisualizer = None\n'])
def test_drawings_with_a_config_without_hooks(tmp_path, hooks):
    config, checkpoint = write_task(tmp_path, 'expression')
    loop = "\ntest_cfg = dict()\ntest_evaluator = dict(type='Accuracy')\n"
    config.write_text(config.read_text() + loop + hooks)
    done = run_tool(
        *('test.py', config, checkpoint, '--work-dir', tmp_path / 'work'),
        *('--show-dir', tmp_path / 'drawn', '--interval', 4),
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'drawn').iterdir())) == 3


def test_interval():
    done = run_tool('test.py', 'config.py', 'model.pth', '--show-dir', 'a', '--interval', 0)
    assert done.returncode == 2 and '--interval must be 1 or more' in done.stderr
