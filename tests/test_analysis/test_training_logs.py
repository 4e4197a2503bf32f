# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import logging

import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from toy_training import toy_config

from mmfer.analysis.training_logs import read_training_log


def train_line(step, loss, epoch=1, **values):
    return dict(lr=0.1, loss=loss, time=0.5, **values, epoch=epoch, iter=step, step=step)


def val_line(step, accuracy, **values):
    return {'accuracy/top1': accuracy, 'time': 0.25, **values, 'step': step}


def write(work_dir, start, lines, name='scalars.json'):
    """Write the log of one start of a training in MMEngine's format."""
    folder = work_dir / start / 'vis_data'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(''.join(f'{json.dumps(line)}\n' for line in lines))
    return folder / name


def column(curve):
    return dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))


def test_columns_have_names_parts_and_units(tmp_path):
    lines = [train_line(20, 1.5, grad_norm=3.0), val_line(1, 40.0), train_line(40, 1.25, epoch=2)]
    write(tmp_path, '20260101_000000', lines)
    curves = read_training_log(tmp_path)
    assert set(curves) == {'lr', 'loss', 'time', 'grad_norm', 'accuracy/top1', 'val/time'}
    assert column(curves['loss']) == {20: 1.5, 40: 1.25}
    assert column(curves['grad_norm']) == {20: 3.0}
    assert column(curves['accuracy/top1']) == {1: 40.0}
    assert column(curves['val/time']) == {1: 0.25}
    assert curves['loss'][:2] == ('training', 'iteration')
    assert curves['accuracy/top1'][:2] == ('validation', 'epoch')


def test_a_training_by_iterations_validates_by_iterations(tmp_path):
    lines = [dict(loss=1.0, iter=500, step=500), val_line(500, 40.0)]
    write(tmp_path, '20260101_000000', lines)
    assert read_training_log(tmp_path)['accuracy/top1'].unit == 'iteration'


def test_a_resumed_training_overtakes_what_was_lost(tmp_path):
    # Killed in epoch 3, before its checkpoint was written; resumed from epoch 1.
    first = [
        train_line(20, 2.0),
        val_line(1, 10.0),
        train_line(40, 1.9, epoch=2),
        val_line(2, 20.0),
        train_line(60, 1.8, epoch=3),
    ]
    # Another interval: the two starts have no step in common.
    second = [train_line(35, 1.7, epoch=2), val_line(2, 25.0), train_line(50, 1.6, epoch=3)]
    write(tmp_path, '20260101_120000', second)
    write(tmp_path, '20260101_110000', first)
    curves = read_training_log(tmp_path)
    assert column(curves['loss']) == {20: 2.0, 35: 1.7, 50: 1.6}
    assert column(curves['accuracy/top1']) == {1: 10.0, 2: 25.0}


def test_a_resumed_training_that_has_not_validated_leaves_validations_alone(tmp_path):
    write(tmp_path, '20260101_110000', [train_line(20, 2.0), val_line(1, 10.0)])
    write(tmp_path, '20260101_120000', [train_line(40, 1.0, epoch=2)])
    curves = read_training_log(tmp_path)
    assert column(curves['accuracy/top1']) == {1: 10.0} and len(curves['loss'].steps) == 2


def test_validations_of_an_abandoned_start_are_dropped_at_once(tmp_path):
    first = [line for n in (1, 2, 3) for line in (train_line(20 * n, 2.0, n), val_line(n, 10.0))]
    write(tmp_path, '20260101_110000', first)
    write(tmp_path, '20260101_120000', [train_line(40, 1.0, epoch=2)])
    curves = read_training_log(tmp_path)
    assert column(curves['accuracy/top1']) == {1: 10.0}
    assert column(curves['loss']) == {20: 2.0, 40: 1.0}


def test_tests_and_starts_without_training_are_skipped(tmp_path):
    write(tmp_path, '20260101_110000', [train_line(20, 2.0), val_line(1, 10.0)])
    write(tmp_path, '20260101_120000', [val_line(0, 99.0)])  # only validation
    write(tmp_path, '20260101_130000', [])
    (tmp_path / '20260101_140000').mkdir()
    (tmp_path / '20260101_140000/20260101_140000.json').write_text('{"accuracy/top1": 50.0}')
    write(tmp_path / 'test', '20260101_150000', [train_line(20, 9.0)])
    curves = read_training_log(tmp_path)
    assert column(curves['accuracy/top1']) == {1: 10.0}
    assert column(curves['loss']) == {20: 2.0}


@pytest.mark.parametrize('missing', [1, 2, 40])
def test_an_incomplete_last_line_is_skipped_with_a_warning(tmp_path, missing, caplog):
    path = write(tmp_path, '20260101_110000', [train_line(20, 2.0), train_line(40, 1.0)])
    path.write_bytes(path.read_bytes()[:-missing])
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        curves = read_training_log(tmp_path)
    finally:
        logger.removeHandler(caplog.handler)
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    if missing == 1:  # only the line break
        assert len(curves['loss'].steps) == 2 and not warned
    else:
        assert column(curves['loss']) == {20: 2.0}
        (record,) = warned
        assert f'{path}: the last line is incomplete' in record.getMessage()


def test_a_damaged_line_inside_is_an_error(tmp_path):
    path = write(tmp_path, '20260101_110000', [train_line(20, 2.0)])
    path.write_text('{"loss": 1.0, "it\n' + path.read_text())
    with pytest.raises(ValueError, match='scalars.json, line 1'):
        read_training_log(tmp_path)


def test_not_a_number_and_other_values(tmp_path):
    lines = [train_line(20, float('nan')), val_line(1, 10.0, note='good', matrix=[[1]])]
    write(tmp_path, '20260101_110000', lines, name='20260101_110000.json')
    curves = read_training_log(tmp_path)
    assert np.isnan(curves['loss'].values).all()
    assert not {'note', 'matrix'} & set(curves)


def test_helpful_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent'):
        read_training_log(tmp_path / 'absent')
    with pytest.raises(FileNotFoundError, match='vis_data/scalars.json.*--work-dir'):
        read_training_log(tmp_path)
    write(tmp_path, '20260101_110000', [])
    with pytest.raises(ValueError, match='default_hooks.logger.interval'):
        read_training_log(tmp_path)


def test_the_log_of_mmengine_itself(repo_root, tmp_path):
    cfg = toy_config(tmp_path, repo_root / 'configs/_base_/default_runtime.py')
    cfg.default_hooks.logger.interval = 2
    runner = Runner.from_cfg(cfg)
    runner.train()
    runner.visualizer.close()
    curves = read_training_log(tmp_path)
    # 4 epochs of 3 iterations: every second iteration of an epoch, and its last.
    np.testing.assert_array_equal(curves['loss'].steps, [2, 3, 5, 6, 8, 9, 11, 12])
    np.testing.assert_array_equal(curves['accuracy'].steps, [1, 2, 3, 4])
    assert curves['accuracy'].unit == 'epoch' and np.isfinite(curves['loss'].values).all()
