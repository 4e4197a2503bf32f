# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest
from shipped_configs import BY_NAME, read_config
from task_models import write_task
from tool_calls import load_tool, run_tool

from mmfer.benchmark import regression
from mmfer.benchmark.variants import VARIANTS

SMALL = BY_NAME['apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px']
BASELINE = BY_NAME['apvit-baseline_resnet18-vit-tiny_1xb16-12e_synthface-64px']
DEIT = BY_NAME['deit-micro_1xb16-12e_synthface-64px']
SOFT = BY_NAME['apvit_resnet18-vit-tiny_1xb128-30e_ferplus-48px']


def run(tool, *arguments):
    return run_tool(f'{tool}.py', *arguments)


@pytest.mark.parametrize('clock', ['wall', 'cpu'])
def test_variants_take_turns(tmp_path, clock):
    out = tmp_path / 'out.json'
    variants = ('plain', 'eager', 'fused+channels-last')
    done = run(
        'analysis_tools/benchmark',
        SMALL,
        *('--variants', *variants, '--batch-sizes', 1, 2, '--turns', 2),
        *('--clock', clock, '--json', out),
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures['clock'] == clock and figures['machine']['threads'] == 1
    assert figures['machine']['torch'] in done.stdout
    rows = figures['rows']
    assert [(row['name'], row['batch_size']) for row in rows] == [
        (name, size) for size in (1, 2) for name in variants
    ]
    for row in rows:
        assert len(row['times_s']) == 2 and row['name'] in done.stdout
        assert row['images_s'] == pytest.approx(row['batch_size'] / row['median_ms'] * 1e3)
    assert [row['speed_up'] for row in rows[::3]] == [1, 1]


def test_models_take_turns_and_skipped_ones_have_a_reason():
    arguments = (SMALL, DEIT, '--variants', 'plain', '--batch-sizes', 1, '--turns', 1)
    done = run('analysis_tools/benchmark', *arguments)
    assert done.returncode == 0, done.stderr
    assert 'deit-micro_1xb16-12e_synthface-64px plain is skipped: the plain' in done.stdout


def test_training_steps_and_memory(tmp_path):
    common = (SMALL, BASELINE, '--batch-sizes', 2)
    # The last one is trained with soft labels.
    done = run('analysis_tools/benchmark', SOFT, *common, '--train-step', '--turns', 1)
    assert done.returncode == 0, done.stderr
    assert 'apvit-baseline_resnet18' in done.stdout and 'images/s' in done.stdout
    out = tmp_path / 'memory.json'
    done = run('analysis_tools/benchmark', *common, '--memory', '--json', out)
    assert done.returncode == 0, done.stderr
    pooled, unpooled = (row['bytes'] for row in json.loads(out.read_text())['rows'])
    assert 0 < pooled < unpooled


def test_a_training_step_that_diverges():
    options = ('--cfg-options', 'optim_wrapper.optimizer.lr=1e30', 'optim_wrapper.clip_grad=None')
    command = (SMALL, '--train-step', '--batch-sizes', 2, '--turns', 1)
    done = run('analysis_tools/benchmark', *command, *options)
    assert done.returncode == 1 and 'the loss is nan' in done.stderr


def test_pipeline(tmp_path):
    cfg = read_config('apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px')
    (tmp_path / 'data' / 'a').mkdir(parents=True)
    for number in range(3):
        image = np.full((32, 32, 3), 50 * number, np.uint8)
        cv2.imwrite(str(tmp_path / 'data' / 'a' / f'{number}.png'), image)
    cfg.test_dataloader.dataset = dict(
        type='mmpretrain.CustomDataset',
        data_root=str(tmp_path / 'data'),
        pipeline=[dict(type='LoadFaceImage'), dict(type='ResizeFace', size=16)],
    )
    cfg.dump(tmp_path / 'config.py')
    done = run(
        'analysis_tools/benchmark', tmp_path / 'config.py', '--pipeline', 'test', '--turns', 1
    )
    assert done.returncode == 0, done.stderr
    assert 'images/s through the pipeline' in done.stdout
    assert '0 LoadFaceImage' in done.stdout and '1 ResizeFace' in done.stdout


def test_pipeline_of_drawn_images(tmp_path):
    out = tmp_path / 'speed.json'
    options = ('--pipeline', 'train', '--turns', 1, '--images', 2, '--json', out)
    done = run('analysis_tools/benchmark', SMALL, *options)
    assert done.returncode == 0, done.stderr
    assert 'nothing is decoded' in done.stdout
    (row,) = json.loads(out.read_text(), parse_constant=pytest.fail)['rows']
    assert row['rate'] > 0 and row['bare_rate'] is row['share'] is None


def test_models_with_the_same_name(tmp_path):
    """Results have the names of configs, which must not overwrite each other."""
    other = tmp_path / SMALL.name
    other.touch()
    for tool, *arguments in (
        ('analysis_tools/benchmark', SMALL, other),
        ('visualization/vis_cost', SMALL, other, '--out', tmp_path / 'a.png'),
        ('visualization/vis_cost', SMALL, BASELINE, '--labels', 'a', 'a', '--out', 'a.png'),
    ):
        done = run(tool, *arguments)
        assert done.returncode == 2 and 'name' in done.stderr.splitlines()[-1]


def test_more_models_than_colors(tmp_path):
    labels = 'abcdefghi'
    out = tmp_path / 'a.png'
    done = run('visualization/vis_cost', *9 * [SMALL], '--labels', *labels, '--out', out)
    assert done.returncode == 2 and '9 models in one figure' in done.stderr


def test_variants_are_listed():
    done = run('analysis_tools/benchmark', '--list')
    assert done.returncode == 0 and done.stdout.split() == list(VARIANTS)
    assert set(load_tool('analysis_tools/benchmark.py').VARIANTS) <= set(VARIANTS)


def test_errors():
    done = run('analysis_tools/benchmark', SMALL, '--variants', 'fast')
    assert done.returncode == 1 and "'fast'" in done.stderr and 'plain-topk' in done.stderr
    done = run('analysis_tools/benchmark')
    assert done.returncode == 2 and 'CONFIG' in done.stderr
    done = run('analysis_tools/regression_bench', '--best', 'fast')
    assert done.returncode == 1 and '--best' in done.stderr and 'plain-topk' in done.stderr
    done = run('analysis_tools/benchmark', SMALL, '--turns', 0)
    assert done.returncode == 2 and '--turns' in done.stderr.splitlines()[-1]
    done = run('analysis_tools/benchmark', 'nowhere.py')
    assert done.returncode == 1 and 'nowhere.py' in done.stderr
    assert run('analysis_tools/regression_bench', '--batch-size', 0).returncode == 2


def test_regression_bench(tmp_path):
    out = tmp_path / 'ratios.json'
    done = run(
        'analysis_tools/regression_bench',
        *('--size', 'small', '--batch-size', 2, '--turns', 1, '--best', 'fused+channels-last'),
        *('--what', 'speed-up', 'pooling', 'adapter', 'data', '--json', out),
    )
    assert done.returncode == 0, done.stderr
    ratios = json.loads(out.read_text())['ratios']
    assert [ratio['name'] for ratio in ratios] == [
        'plain / eager, batch 2',
        'plain / fused+channels-last, batch 2',
        '(80, .6) / (196, 1), batch 2',
        '(160, .9) / (196, 1), batch 1',
        'with adapter / encoder, batch 1',
        'with folded adapter / encoder, batch 1',
        'data pipeline / decode and resize, test',
        'data pipeline / decode and resize, train',
    ]
    for ratio in ratios:
        assert ratio['measured']['value'] > 0 and ratio['limit'] > 0
        above = ratio['measured']['value'] >= ratio['limit']
        assert ratio['met'] == (above if ratio['at_least'] else not above)


def test_what_fails_in_its_first_call_cannot_be_measured(monkeypatch):
    def fail(turns):
        raise RuntimeError('no compiler')

    monkeypatch.setattr(regression, 'check_import', fail)
    done = run('analysis_tools/regression_bench', '--size', 'small', '--what', 'import')
    assert done.returncode == 1
    assert done.stderr == 'error: import cannot be measured here: no compiler\n'


def test_costs_are_written_before_the_figure(tmp_path):
    figure, out = tmp_path / 'cost.png', tmp_path / 'cost.json'
    figure.mkdir()
    arguments = ('--batch-sizes', 1, '--turns', 1, '--out', figure, '--json', out)
    done = run('visualization/vis_cost', SMALL, *arguments)
    assert done.returncode == 1 and 'cost.png' in done.stderr.splitlines()[-1]
    (cost,) = json.loads(out.read_text())
    assert f'{SMALL.stem}' in done.stdout and cost['name'] == SMALL.stem
    done = run('visualization/vis_cost', SMALL, '--out', 'cost.doc')
    assert done.returncode == 2 and 'must end in one of' in done.stderr.splitlines()[-1]


def test_cost_growth(tmp_path):
    figure, out = tmp_path / 'cost.png', tmp_path / 'cost.json'
    arguments = ('--batch-sizes', 1, 2, '--sizes', 64, 96, '--turns', 1, '--json', out)
    done = run(
        'visualization/vis_cost',
        *(SMALL, BASELINE, '--labels', 'pooled', 'all', '--out', figure, *arguments),
    )
    assert done.returncode == 0, done.stderr
    costs = {
        (cost['name'], cost['batch_size'], cost['size']): cost['memory']
        for cost in json.loads(out.read_text())
    }
    assert len(costs) == 8
    assert costs['all', 1, 64] < costs['all', 2, 64] < costs['all', 2, 96]
    assert costs['pooled', 2, 96] < costs['all', 2, 96]
    assert cv2.imread(str(figure)) is not None
    done = run('visualization/vis_cost', SMALL, '--labels', 'a', 'b', '--out', figure)
    assert done.returncode == 2 and '1 configs but 2 --labels' in done.stderr


def test_costs_of_ensembles(tmp_path):
    config, _ = write_task(tmp_path, 'age', adapter=True)
    figure, out = tmp_path / 'cost.png', tmp_path / 'cost.json'
    common = ('--labels', 'small', '--ensemble', 2, '--turns', 1, '--out', figure)
    done = run('visualization/vis_cost', config, *common, '--json', out)
    assert done.returncode == 0, done.stderr
    assert 'small, encoder + adapter: ' in done.stdout
    costs = [(cost['kept'], cost['adapter']) for cost in json.loads(out.read_text())]
    assert costs == [(1, False), (2, False), (1, True)]
    assert cv2.imread(str(figure)) is not None
    done = run('visualization/vis_cost', SMALL, *common)
    assert done.returncode == 1 and 'KT-Adapter' in done.stderr
    done = run('visualization/vis_cost', config, *common, '--sizes', 64)
    assert done.returncode == 2 and 'without --sizes' in done.stderr
    done = run('visualization/vis_cost', *5 * [config], '--labels', *'abcde', *common[2:])
    assert done.returncode == 2 and 'at most 4' in done.stderr
