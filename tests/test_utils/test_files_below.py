# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.utils.files_below import files_below


@pytest.fixture
def folder(tmp_path):
    for name in ('top/b/1.jpg', 'top/b/c/2.jpg', 'top/.h/3.jpg', 'top/a.jpg', 'else/4.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / 'top'


def listed(folder):
    return [path.relative_to(folder).as_posix() for path in files_below(folder)]


def test_all_files_in_order(folder):
    (folder / 'd.jpg').mkdir()
    assert listed(folder) == ['.h/3.jpg', 'a.jpg', 'b/1.jpg', 'b/c/2.jpg']
    assert files_below(str(folder)) == files_below(folder) and files_below(folder / 'none') == []


def test_links_are_followed(folder):
    (folder / 'b/far').symlink_to('../../else')
    (folder / 'e.jpg').symlink_to('a.jpg')
    (folder / 'f.jpg').symlink_to('none')
    assert listed(folder)[2:] == ['b/1.jpg', 'b/c/2.jpg', 'b/far/4.jpg', 'e.jpg', 'f.jpg']
    folder.rename(folder.with_name('moved'))
    folder.symlink_to('moved')
    assert len(listed(folder)) == 7


def test_no_folder_comes_twice(folder):
    """Neither in a circle, nor under a second name."""
    before = listed(folder)
    for name, target in (('b/up', '..'), ('a', 'b'), ('b/c/self', '.')):
        (folder / name).symlink_to(target)
    assert listed(folder) == before
    (folder.parent / 'else/back').symlink_to('../top')
    for name in ('b/far', 'farther'):
        (folder / name).symlink_to(folder.parent / 'else')
    assert set(listed(folder)) - set(before) == {'farther/4.jpg'}
