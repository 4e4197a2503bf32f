# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os

import pytest

from mmfer.preparation.journal import JOURNAL, Journal, SettingsError, fingerprint

SETTINGS = dict(size=112, fill=(0, 0, 0))


def write(folder, *targets):
    with Journal(folder, SETTINGS) as journal:
        for target in targets:
            journal.add(target, 'abc', dict(box=[1, 2.5], name=target))


def test_added_items_are_found(tmp_path):
    write(tmp_path, 'a.jpg', 'b.jpg')
    write(tmp_path, 'c.jpg')
    journal = Journal(tmp_path, SETTINGS)
    for target in ('a.jpg', 'b.jpg', 'c.jpg'):
        assert journal.find(target, 'abc') == dict(box=[1, 2.5], name=target)
        assert journal.find(target, 'abd') is None
    assert journal.find('d.jpg', 'abc') is None


def test_the_last_result_counts(tmp_path):
    write(tmp_path, 'a.jpg')
    with Journal(tmp_path, SETTINGS) as journal:
        journal.add('a.jpg', 'new', dict(box=None))
    journal = Journal(tmp_path, SETTINGS)
    assert journal.find('a.jpg', 'new') == dict(box=None)
    assert journal.find('a.jpg', 'abc') is None


@pytest.mark.parametrize('missing', [1, 20])
def test_an_incomplete_line_is_ignored(tmp_path, missing):
    write(tmp_path, 'a.jpg', 'b.jpg')
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-missing])
    journal = Journal(tmp_path, SETTINGS)
    assert journal.find('a.jpg', 'abc') and journal.find('b.jpg', 'abc') is None
    write(tmp_path, 'b.jpg')  # on a line of its own
    assert Journal(tmp_path, SETTINGS).find('b.jpg', 'abc')


def test_other_settings(tmp_path):
    write(tmp_path, 'a.jpg')
    with pytest.raises(SettingsError, match='size: 112, now 224\n  border: None, now black'):
        Journal(tmp_path, dict(SETTINGS, size=224, border='black'))


def test_fingerprint(tmp_path):
    path = tmp_path / 'a.jpg'
    missing = fingerprint(path)
    path.write_bytes(b'one')
    os.utime(path, ns=(5, 5))
    first = fingerprint(path, dict(label=1))
    assert first == fingerprint(str(path), dict(label=1))
    os.utime(path, ns=(5, 6))
    others = [missing, fingerprint(path, dict(label=1)), fingerprint(path, dict(label=2))]
    path.write_bytes(b'three')
    os.utime(path, ns=(5, 5))
    others.append(fingerprint(path, dict(label=1)))
    path.rename(tmp_path / 'b.jpg')
    others.append(fingerprint(tmp_path / 'b.jpg', dict(label=1)))
    assert len({first, *others}) == 6
