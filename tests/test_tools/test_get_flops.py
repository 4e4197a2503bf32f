# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json

import pytest
from tool_calls import run_tool

TOOL = 'analysis_tools/get_flops.py'

CONFIG = 'configs/apvit/apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'
KT_CONFIG = (
    'configs/kt_adapter/kt-adapter_convnext-v2-base-to-mobileone-s0_1xb32-30e_affectnet-hq-224px.py'
)


def test_printed_and_saved_results(tmp_path):
    out = tmp_path / 'cost.json'
    options = ('model.backbone.app.keep_num=80', 'model.backbone.atp.keep_rate=0.6')
    done = run_tool(TOOL, CONFIG, '--json', out, '--cfg-options', *options)
    assert done.returncode == 0, done.stderr
    assert '8.274' in done.stdout and '65.210 M' in done.stdout
    figures = json.loads(out.read_text())
    assert figures['gflops'] == pytest.approx(8.274, rel=1.5e-3)
    assert figures['gflops_run'] < figures['gflops']
    assert figures['params_m'] == pytest.approx(65.209543)
    assert figures['tokens'] == [81, 81, 81, 81, 49, 29, 17, 10]
    assert figures['shape'] == [112, 112]


def test_shape_and_errors():
    done = run_tool(TOOL, CONFIG, '--shape', '128')
    assert '128x128' in done.stdout, done.stderr
    assert run_tool(TOOL, CONFIG, '--shape', '0').returncode == 2
    done = run_tool(TOOL, CONFIG, '--cfg-options', 'model.backbone.app.keepnum=80')
    assert done.returncode != 0
    assert 'model.backbone.app.keep_num' in done.stderr


def test_transfer():
    done = run_tool(TOOL, 'configs/transfer/transfer_ir50-vit-small_1xb64-40e_rafdb-112px.py')
    assert done.returncode == 0, done.stderr
    assert '15.303   as published figures are counted' in done.stdout
    assert ', '.join(['197'] * 8) in done.stdout


def test_tokens_are_those_of_the_shape():
    config = 'configs/transfer/transfer_ir50-vit-small_1xb64-40e_rafdb-112px.py'
    done = run_tool(TOOL, config, '--shape', '128', '64')
    assert ', '.join(['129'] * 8) in done.stdout, done.stderr


def test_kt_adapter(tmp_path):
    """MobileOne-s0 costs 275 MFLOPs when its branches are merged, the adapter 21.02."""
    out = tmp_path / 'cost.json'
    done = run_tool(TOOL, KT_CONFIG, '--json', out)
    assert done.returncode == 0, done.stderr
    assert 'one 224x224 image (CropFace.size in the test pipeline)' in done.stdout
    figures = json.loads(out.read_text())
    assert figures['adapter_mflops'] == pytest.approx(21.02, rel=3e-3)
    assert f'{figures["adapter_mflops"]:.3f}   without any prior' in done.stdout
    assert figures['parts']['neck'] * 1e3 == figures['adapter_mflops']
    assert figures['parts']['backbone'] * 1e3 == pytest.approx(275, rel=0.01)
    parts = sum(figures['parts'][name] for name in ('backbone', 'neck', 'head'))
    assert figures['gflops'] == pytest.approx(parts)
    assert figures['gflops_run'] > 3 * figures['gflops']  # four branches in training
    # If the config merges them, both are equal. A prior would add the parameters of a backbone.
    done = run_tool(TOOL, KT_CONFIG, '--json', out, '--cfg-options', 'model.backbone.deploy=True')
    assert done.returncode == 0, done.stderr
    merged = json.loads(out.read_text())
    assert merged['gflops_run'] == merged['gflops'] == pytest.approx(figures['gflops'])
    assert merged['params_m'] < 15
