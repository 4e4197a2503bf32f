# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

CODE = """
import sys
from mmengine.config import Config
from mmengine.registry import HOOKS, init_default_scope
from mmengine.runner import CheckpointLoader
from mmengine.visualization import Visualizer

cfg = Config.fromfile(sys.argv[1])
init_default_scope(cfg.default_scope)
Visualizer.get_instance('needed by VisualizationHook')
for name, hook in cfg.default_hooks.items():
    print(name, type(HOOKS.build(hook)).__module__)
try:
    CheckpointLoader.load_checkpoint('nowhere.pth')
except FileNotFoundError as error:
    print(error)
"""


def test_default_scope_alone_finds_everything(tmp_path, repo_root):
    """Like ``mim train``: a new process that does not import mmfer itself."""
    result = subprocess.run(
        [sys.executable, '-c', CODE, repo_root / 'configs' / '_base_' / 'default_runtime.py'],
        capture_output=True,
        text=True,
        cwd=repo_root,
    )
    assert result.returncode == 0, result.stderr
    # If its registry cannot be imported, MMEngine only warns and continues without the package.
    assert 'Failed to import' not in result.stderr + result.stdout
    assert 'checkpoint mmfer.engine.hooks.safe_checkpoint_hook' in result.stdout
    assert 'there is no checkpoint nowhere.pth' in result.stdout
