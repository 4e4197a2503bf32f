# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os

import pytest

from mmfer.utils.files_below import IMAGE, files_below, is_junk, media_below, warn_skipped


@pytest.fixture
def folder(tmp_path):
    for name in ('top/b/1.jpg', 'top/b/c/2.jpg', 'top/.h/3.jpg', 'top/a.jpg', 'else/4.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / 'top'


def listed(folder):
    return [path.relative_to(folder).as_posix() for path in files_below(folder)]


JUNK = ('._a.jpg', '.DS_Store', 'Thumbs.db', 'Desktop.ini', '.ipynb_checkpoints', '__MACOSX')


@pytest.mark.parametrize('name', JUNK)
def test_junk_is_skipped(folder, name):
    assert is_junk(name) and not is_junk(name.strip('._') + '.jpg')
    before = listed(folder)
    (folder / 'b' / name).touch()
    (folder / name / 'x').mkdir(parents=True)
    (folder / name / 'x/5.jpg').touch()
    assert listed(folder) == before


def test_all_files_in_order(folder):
    (folder / 'd.jpg').mkdir()
    assert listed(folder) == ['a.jpg', 'b/1.jpg', 'b/c/2.jpg']
    assert files_below(str(folder)) == files_below(folder) and files_below(folder / 'none') == []


def test_links_are_followed(folder):
    (folder / 'b/far').symlink_to('../../else')
    (folder / 'e.jpg').symlink_to('a.jpg')
    (folder / 'f.jpg').symlink_to('none')
    assert listed(folder)[1:] == ['b/1.jpg', 'b/c/2.jpg', 'b/far/4.jpg', 'e.jpg', 'f.jpg']
    folder.rename(folder.with_name('moved'))
    folder.symlink_to('moved')
    assert len(listed(folder)) == 6


def test_no_folder_is_read_twice(folder):
    """Neither by circular links nor under a second name."""
    before = listed(folder)
    for name, target in (('b/up', '..'), ('a', 'b'), ('b/c/self', '.')):
        (folder / name).symlink_to(target)
    assert listed(folder) == before
    (folder.parent / 'else/back').symlink_to('../top')
    for name in ('b/far', 'farther'):
        (folder / name).symlink_to(folder.parent / 'else')
    assert set(listed(folder)) - set(before) == {'farther/4.jpg'}


def test_skipped_files_are_listed_and_text_files_counted(folder, monkeypatch):
    said = []
    monkeypatch.setattr('mmfer.utils.files_below.print_log', lambda *words: said.append(words[0]))
    for name in ('b/x.docx', 'labels.csv', 'b/1.txt', 'b/2.txt'):
        (folder / name).write_text('text')
    (folder / 'b/film').write_bytes(b'FLV\x01\5')
    found, skipped = media_below(folder, [IMAGE])
    assert [path.name for path in found] == ['a.jpg', '1.jpg', '2.jpg']
    warn_skipped(folder, skipped, [IMAGE])
    assert said == [f"'{folder}': 5 skipped (no image): b/film, b/x.docx, 1 of .csv, 2 of .txt"]
    assert 'film' in [path.name for path in media_below(folder)[0]]
    warn_skipped(folder, [])
    assert len(said) == 1
    warn_skipped(folder, [folder / f'{number}.bin' for number in range(30)])
    assert said[1].endswith('8.bin, 9.bin, and 20 more')


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    def scan(path):
        if str(path).endswith('c'):
            raise PermissionError(13, os.strerror(13), str(path))
        return scandir(path)

    scandir = os.scandir
    monkeypatch.setattr(os, 'scandir', scan)
    with pytest.raises(PermissionError, match='top/b/c'):
        files_below(folder)
