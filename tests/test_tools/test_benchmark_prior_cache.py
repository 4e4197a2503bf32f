# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json

import pytest
from tool_calls import run_tool
from toy_analyzer import training_config


@pytest.fixture
def run(tmp_path):
    def call(cfg, *arguments):
        cfg.dump(tmp_path / 'config.json')
        path = tmp_path / 'config.json'
        return run_tool('analysis_tools/benchmark_prior_cache.py', path, *arguments)

    return call


@pytest.fixture
def config(repo_root, tmp_path):
    def make(**changes):
        runtime = repo_root / 'configs' / '_base_' / 'default_runtime.py'
        return training_config(tmp_path / 'run', runtime, **changes)

    return make


def test_three_kinds_of_steps(run, config, tmp_path):
    # No checkpoints of priors are needed.
    cfg = config(model__priors__age__checkpoint='nowhere.pth')
    out = tmp_path / 'out.json'
    done = run(cfg, '--batch-size', 3, '--steps', 2, '--size', 32, '--json', out)
    assert done.returncode == 0, done.stderr
    assert '3 images of 32x32 a step, median of 2 steps on cpu' in done.stdout
    figures = json.loads(out.read_text())
    assert figures['priors'] == ['age', 'landmarks', 'recognition']
    seconds = figures['seconds']
    assert all(value > 0 for value in seconds.values())
    low, high = figures['speed_up_range']
    assert 0 < low <= figures['speed_up'] <= high


def test_errors(run, config):
    done = run(config(model__num_priors=0), '--size', 32)
    assert done.returncode == 1 and 'FaceAnalyzer' in done.stderr
    assert run(config(), '--steps', 0).returncode == 2
