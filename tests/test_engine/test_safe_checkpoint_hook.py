# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import errno
import os
import shutil

import pytest
import torch
from toy_training import toy_config

from mmfer.engine.launch import build_runner, set_resume


@pytest.fixture
def config(tmp_path, repo_root):
    def _config(name='run', **changes):
        runtime = repo_root / 'configs' / '_base_' / 'default_runtime.py'
        return toy_config(tmp_path / name, runtime, **changes)

    return _config


def checkpoints(folder):
    return sorted(path.name for path in folder.iterdir() if '.pth' in path.name)


def test_keeps_the_last_two_and_the_best(config, tmp_path):
    build_runner(config(default_hooks__checkpoint__save_best='accuracy')).train()
    names = checkpoints(tmp_path / 'run')
    assert names[-2:] == ['epoch_3.pth', 'epoch_4.pth']
    assert len(names) == 3 and names[0].startswith('best_accuracy_epoch_')


def test_full_disk_costs_only_the_newest_checkpoint(config, tmp_path, monkeypatch):
    """MMEngine's hook deletes the only checkpoint before it writes the next."""
    replace, saved = os.replace, []

    def disk_with_room_for_two(source, target):
        if len(saved) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        saved.append(target)
        replace(source, target)

    monkeypatch.setattr(os, 'replace', disk_with_room_for_two)
    cfg = config(
        default_hooks__checkpoint__max_keep_ckpts=1,
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None,
    )
    with pytest.raises(OSError, match='unchanged'):
        build_runner(cfg).train()
    assert checkpoints(tmp_path / 'run') == ['epoch_2.pth']
    checkpoint = torch.load(tmp_path / 'run' / 'epoch_2.pth', weights_only=True)
    assert checkpoint['meta']['epoch'] == 2


def test_leftovers_of_a_killed_run_are_cleared(config, tmp_path):
    part = tmp_path / 'run' / '.epoch_1.pth.0123456789abcdef.part'  # old, from another machine
    part.parent.mkdir()
    part.write_bytes(b'half')
    os.utime(part, (0, 0))
    build_runner(config(train_cfg__max_epochs=1)).train()
    assert not part.exists()


def test_copied_run_leaves_the_original_alone(config, tmp_path):
    changes = dict(default_hooks__checkpoint__save_best='accuracy')
    build_runner(config(train_cfg__max_epochs=1, **changes)).train()
    before = checkpoints(tmp_path / 'run')
    shutil.copytree(tmp_path / 'run', tmp_path / 'copy')
    # The next model is better, so the previous best file must be deleted.
    cfg = config('copy', train_cfg__max_epochs=3, **changes)
    cfg.default_hooks.checkpoint.rule = 'less'
    set_resume(cfg, 'auto')
    runner = build_runner(cfg)
    runner.train()
    assert checkpoints(tmp_path / 'run') == before
    best = runner.message_hub.get_info('best_ckpt')
    assert os.path.dirname(best) == str(tmp_path / 'copy') and os.path.isfile(best)
    assert sum(name.startswith('best') for name in checkpoints(tmp_path / 'copy')) == 1
