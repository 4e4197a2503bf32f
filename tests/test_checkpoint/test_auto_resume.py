# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.checkpoint.auto_resume import find_resumable, list_checkpoints


@pytest.fixture
def save(tmp_path):
    def _save(name, **content):
        keys = ('meta', 'state_dict', 'optimizer', 'message_hub')
        torch.save({**{key: {} for key in keys}, **content}, tmp_path / name)
        return tmp_path / name

    return _save


def names(paths):
    return [path.name for path in paths]


def test_ordered_by_number_and_not_by_name(tmp_path, save):
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


def test_last_checkpoint_names_a_file_of_another_pattern(tmp_path, save):
    save('epoch_1.pth')
    own = save('snapshot-3.pth')
    (tmp_path / 'last_checkpoint').write_text('/moved/away/snapshot-3.pth\n')
    assert find_resumable(tmp_path)[0] == own


def test_kind_of_the_last_checkpoint_goes_first(tmp_path, save):
    save('iter_600.pth')
    epoch = save('epoch_2.pth')
    (tmp_path / 'last_checkpoint').write_text('epoch_2.pth')
    assert find_resumable(tmp_path)[0] == epoch


def test_skips_what_does_not_load_and_says_why(tmp_path, save):
    good = save('epoch_1.pth')
    save('epoch_2.pth').write_bytes(good.read_bytes()[:-100])
    save('epoch_3.pth').write_bytes(b'')
    torch.save({'state_dict': {}, 'meta': {}}, tmp_path / 'epoch_4.pth')
    path, skipped = find_resumable(tmp_path)
    assert path == good
    assert names(skipped) == ['epoch_4.pth', 'epoch_3.pth', 'epoch_2.pth']
    for reason, word in zip(skipped.values(), ['no optimizer', 'empty', 'truncated'], strict=True):
        assert word in reason


def test_nothing_there(tmp_path):
    assert find_resumable(tmp_path) == (None, {})
    assert find_resumable(tmp_path / 'no folder') == (None, {})
