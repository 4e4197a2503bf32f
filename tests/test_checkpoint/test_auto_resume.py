# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.checkpoint.auto_resume import (
    find_resumable,
    list_checkpoints,
    note_contents,
    why_not_resumable,
)


@pytest.fixture
def save(tmp_path):
    def _save(name, **content):
        parts = {key: {} for key in ('state_dict', 'optimizer', 'message_hub')}
        meta = dict(epoch=1, iter=3)
        torch.save({'meta': meta, **parts, **content}, tmp_path / name)
        return tmp_path / name

    return _save


def names(paths):
    return [path.name for path in paths]


def test_sorted_by_number_not_by_name(tmp_path, save):
    for number in (9, 10, 2):
        save(f'epoch_{number}.pth')
    for other in ('best_accuracy_epoch_11.pth', 'epoch_12.pth.bak', '.epoch_13.pth.7.part'):
        (tmp_path / other).write_bytes(b'')
    assert names(list_checkpoints(tmp_path)) == ['epoch_10.pth', 'epoch_9.pth', 'epoch_2.pth']


def test_stale_or_foreign_last_checkpoint_is_only_a_hint(tmp_path, save):
    save('epoch_1.pth')
    newest = save('epoch_2.pth')
    for content in ('/elsewhere/epoch_1.pth', '/elsewhere/epoch_7.pth', ''):
        (tmp_path / 'last_checkpoint').write_text(content)
        assert find_resumable(tmp_path) == (newest, {})


def test_last_checkpoint_with_another_file_name(tmp_path, save):
    save('epoch_1.pth')
    own = save('snapshot-3.pth')
    (tmp_path / 'last_checkpoint').write_text('/moved/away/snapshot-3.pth\n')
    assert find_resumable(tmp_path)[0] == own


def test_kind_of_the_last_checkpoint_comes_first(tmp_path, save):
    save('iter_600.pth')
    epoch = save('epoch_2.pth')
    (tmp_path / 'last_checkpoint').write_text('epoch_2.pth')
    assert find_resumable(tmp_path)[0] == epoch


def test_unloadable_checkpoints_are_skipped_with_the_reason(tmp_path, save):
    good = save('epoch_1.pth')
    save('epoch_2.pth').write_bytes(good.read_bytes()[:-100])
    save('epoch_3.pth').write_bytes(b'')
    torch.save({'state_dict': {}, 'meta': {}}, tmp_path / 'epoch_4.pth')
    path, skipped = find_resumable(tmp_path)
    assert path == good
    assert names(skipped) == ['epoch_4.pth', 'epoch_3.pth', 'epoch_2.pth']
    for reason, word in zip(skipped.values(), ['no optimizer', 'empty', 'truncated'], strict=True):
        assert word in reason


def test_lost_values_are_detected(tmp_path, save):
    """From any entry of the checkpoint; additional values are allowed."""
    whole = dict(
        state_dict={'a': torch.zeros(4), 'b': torch.zeros(2)},
        optimizer={'state': {0: {'m': torch.zeros(4)}, 1: {'m': torch.zeros(2)}}},
        random_state=[{'torch': torch.zeros(8)}],
        meta=dict(epoch=1, iter=3),
        message_hub={},
    )
    note_contents(whole)
    path = save('epoch_1.pth', **whole)
    assert not why_not_resumable(path)
    losses = dict(
        state_dict={'a': torch.zeros(4)},
        optimizer={'state': {0: {'m': torch.zeros(4)}, 1: {}}},
        random_state=[],
        meta=dict(epoch=1),
    )
    for key, part in losses.items():
        save('epoch_2.pth', **{**whole, key: part})
        found, skipped = find_resumable(tmp_path)
        assert found == path and f'its {key} has' in skipped[tmp_path / 'epoch_2.pth']
    del whole['random_state']
    save('epoch_2.pth', **whole)
    assert 'no random_state' in why_not_resumable(tmp_path / 'epoch_2.pth')


@pytest.mark.parametrize(
    'content, reason',
    [
        (dict(state_dict={'a': torch.tensor([1.0, torch.nan])}), 'NaN'),
        (dict(state_dict={'running_var': torch.tensor([torch.inf])}), 'running_var'),
        (dict(meta={}), 'epoch'),
        (dict(meta=[1]), 'meta'),
        (dict(optimizer=None), 'optimizer'),
        (dict(contents=3), 'contents'),
        (dict(contents={'meta': 'x'}), 'contents'),
        (dict(contents={3: 1}), 'no 3'),
    ],
)
def test_unresumable_checkpoints_are_skipped(tmp_path, save, content, reason):
    good = save('epoch_1.pth')
    newest = save('epoch_2.pth', **content)
    path, skipped = find_resumable(tmp_path)
    assert path == good and reason in skipped[newest]


@pytest.mark.parametrize('hint', [b'\xff\xfe', b'a\0b.pth', b'x' * 5000, b'.', b'..', b'folder'])
def test_a_damaged_hint_is_ignored(tmp_path, save, hint):
    newest = save('epoch_1.pth')
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'last_checkpoint').write_bytes(hint)
    assert find_resumable(tmp_path)[0] == newest


def test_empty_or_missing_folder(tmp_path):
    assert find_resumable(tmp_path) == (None, {})
    assert find_resumable(tmp_path / 'no folder') == (None, {})
