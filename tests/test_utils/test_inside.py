# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.utils.inside import check_name, path_inside

OUTSIDE = (
    *(
        '../a.jpg',
        'b/../../a.jpg',
        'b/../a.jpg',
        '..',
        '/a.jpg',
        '//host/a.jpg',
        '',
        ' ',
        'a\0.jpg',
    ),
    *('..\\a.jpg', 'b\\..\\..\\a.jpg', '\\a.jpg', '\\\\host\\a.jpg', 'C:\\a.jpg', 'c:/a.jpg'),
    *('a\0.jpg', 'b/.. /a.jpg', '..\\../a.jpg'),
)


@pytest.mark.parametrize('name', OUTSIDE)
def test_names_that_lead_out(name, tmp_path):
    for check in (check_name, lambda *words: path_inside(tmp_path, *words)):
        with pytest.raises(ValueError, match='list.txt, line 3 names .*outside'):
            check(name, 'list.txt, line 3')


@pytest.mark.parametrize('name', ['a.jpg', 'b/c/a.jpg', '...jpg', '..a/b..jpg', './a', 'a:b', 'ä'])
def test_names_that_stay_inside(name, tmp_path):
    assert path_inside(tmp_path, name, 'list') == tmp_path / name
    assert not list(tmp_path.iterdir())


def test_links_that_lead_out(tmp_path):
    out, elsewhere = tmp_path / 'out', tmp_path / 'out2'
    for folder in (out / 'real', elsewhere):
        folder.mkdir(parents=True)
    (out / 'link').symlink_to(elsewhere, target_is_directory=True)
    (out / 'within').symlink_to(out / 'real', target_is_directory=True)
    for name in ('link/a.jpg', 'link/b/a.jpg', 'within/../link/a.jpg'):
        with pytest.raises(ValueError, match='list names .*out'):
            path_inside(out, name, 'list')
    assert path_inside(out, 'within/a.jpg', 'list') == out / 'within/a.jpg'
    assert path_inside(out / 'link', 'a.jpg', 'list'), 'the folder itself may be a link'
