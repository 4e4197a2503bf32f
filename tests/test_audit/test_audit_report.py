# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import re
import shutil
from html.parser import HTMLParser

import cv2
import pytest
from face_trees import write_folders, write_image

from mmfer.audit import audit, split_of_folder, to_text, write_report
from mmfer.audit.sections import SHOWN, sections_of


@pytest.fixture
def result(tmp_path):
    """A leak with two labels, a group of many copies, an unreadable and an odd file."""
    train = write_folders(tmp_path / 'train', {'happy': 12, 'sad <b>': 5})
    test = tmp_path / 'test'
    for name in ('happy/a.jpg', 'sad <b>/b.jpg', 'sad <b>/c.jpg'):
        write_image(test / name)
    shutil.copy(train / 'happy/00000.jpg', test / 'sad <b>/copy.jpg')
    for number in range(SHOWN + 2):
        shutil.copy(train / 'happy/00001.jpg', train / f'happy/copy{number}.jpg')
    (train / 'happy/00003.jpg').write_bytes(b'none')
    return audit([split_of_folder('train', train), split_of_folder('test', test)])


class Tags(HTMLParser):
    """Checks that tags are closed, and keeps what they refer to."""

    def __init__(self, content):
        super().__init__()
        self.open, self.images, self.targets, self.ids = [], [], [], []
        self.feed(content)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.images += [attributes['src']] if tag == 'img' else []
        self.targets += [attributes['href']] if tag == 'a' else []
        self.ids += [attributes['id']] if 'id' in attributes else []
        if tag not in ('img', 'br', 'meta', 'wbr'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_text_says_what_is_wrong(result):
    text = to_text(result)
    assert 'NOT CLEAN: 1 picture in splits that should be apart and 1 unreadable file.' in text
    assert 'Leaks: 1 picture in more than one split' in text
    assert 'labels differ: happy, sad <b>' in text
    assert f'{SHOWN + 3} pictures, {SHOWN} of them shown' in text
    assert re.search(r'train +\S+00003.jpg +it is damaged', text)
    assert re.search(r'largest / smallest +4\.4 +3\.0', text)


def test_report_is_whole(result, tmp_path):
    folder = tmp_path / 'report'
    write_report(result, folder)
    page = Tags((folder / 'report.html').read_text())
    shown = {f'thumbnails/{path.name}' for path in (folder / 'thumbnails').iterdir()}
    assert set(page.images) == shown and len(shown) == SHOWN + 2
    assert {target[1:] for target in page.targets} == set(page.ids)
    assert '<b>/' not in (folder / 'report.html').read_text()
    markdown = (folder / 'report.md').read_text()
    assert set(re.findall(r'!\[\]\((.+?)\)', markdown)) == shown
    for written in ('report.html', 'report.md'):
        assert 'contains pictures of faces' in (folder / written).read_text()
    assert cv2.imread(str(folder / min(shown))).shape == (160, 160, 3)


def test_pictures_of_an_earlier_report_are_gone(result, tmp_path):
    write_report(result, tmp_path / 'report')
    (tmp_path / 'report/thumbnails/mine.jpg').touch()
    result.groups, result.alike = [], []
    write_report(result, tmp_path / 'report')
    assert [path.name for path in (tmp_path / 'report/thumbnails').iterdir()] == ['mine.jpg']


def test_json_has_everything(result, tmp_path):
    write_report(result, tmp_path / 'report', max_shown=1)
    content = json.loads((tmp_path / 'report/report.json').read_text())
    assert content['clean'] is False and content['overlap'] == [[11, 1], [1, 0]]
    leak, copies = content['groups']
    assert (
        leak['leak']
        and leak['labels'] == ['happy', 'sad <b>']
        and leak['links'][0]['kind'] == 'file'
    )
    assert not copies['leak'] and len(copies['pictures']) == SHOWN + 3
    assert content['broken'][0]['name'].endswith('happy/00003.jpg')
    assert {entry['notes'][0] for entry in content['odd']} == {'tiny, 24x24'}
    assert content['splits'][0]['classes'] == {'happy': 22, 'sad <b>': 5}


def test_long_lists_are_cut(result):
    (odd,) = (s for s in sections_of(result, max_shown=2) if s.title.startswith('Odd'))
    assert len(odd.rows) == 2 and 'The first 2 of 30' in odd.text


def test_clean_set_is_called_clean(tmp_path):
    write_folders(tmp_path, {'happy': 3})
    text = to_text(audit([split_of_folder('all', tmp_path)]))
    assert 'clean: no leak, no unreadable file.' in text
    assert 'Leaks' not in text and 'Overlap' not in text
