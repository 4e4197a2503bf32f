# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import pytest
from face_trees import write_folders, write_image

from mmfer.audit import (
    AuditImage,
    Entry,
    Pair,
    Split,
    audit,
    split_of_folder,
    to_text,
    write_report,
)
from mmfer.audit.duplicates import ALIKE, SAME
from mmfer.audit.report import SHOWN, TITLES


@pytest.fixture
def splits(tmp_path):
    """Splits with a leak with two labels, many copies of an image, and an unreadable file."""
    train = write_folders(tmp_path / 'train', {'happy': 12, 'sad <b>': 5})
    test = tmp_path / 'test'
    for name in ('happy/a.jpg', 'sad <b>/b.jpg', 'sad <b>/c.jpg'):
        write_image(test / name)
    shutil.copy(train / 'happy/00000.jpg', test / 'sad <b>/copy.jpg')
    for number in range(SHOWN + 2):
        shutil.copy(train / 'happy/00001.jpg', train / f'happy/copy{number}.jpg')
    (train / 'happy/00003.jpg').write_bytes(b'none')
    return [split_of_folder('train', train), split_of_folder('test', test)]


@pytest.fixture
def result(splits):
    return audit(splits)


class Tags(HTMLParser):
    """Parser that checks that tags are closed and collects images, link targets and ids."""

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


def test_summary_lists_what_is_wrong(result):
    text = to_text(result)
    assert 'NOT CLEAN: 1 image in splits that should be disjoint and 1 unreadable file.' in text
    assert f'{TITLES["leaks"]}: 1' in text
    assert 'labels differ: happy, sad <b>' in text
    assert f'{SHOWN + 3} images, {SHOWN} shown' in text
    assert re.search(r'train · \S+00003.jpg: it is damaged', text)
    assert 'train: 27 images, 24x24 to 24x24 pixels' in text and 'happy 22, sad <b> 5' in text
    assert re.search(r'largest / smallest class: 4\.4.*largest / smallest class: 3\.0', text, re.S)
    # All 30 files are odd; the summary lists 5, as for every kind.
    assert text.count('tiny, 24x24') == 5 and f'{TITLES["odd"]}: 30' in text


def test_page_is_valid(splits, result, tmp_path):
    folder = tmp_path / 'report'
    write_report(result, splits, folder)
    content = (folder / 'report.html').read_text()
    page = Tags(content)
    images = {f'thumbnails/{path.name}' for path in (folder / 'thumbnails').iterdir()}
    assert set(page.images) == images and len(images) == SHOWN + 2
    assert {target[1:] for target in page.targets} == set(page.ids)
    assert set(page.ids) >= {'splits', 'overlap', 'leaks', 'duplicates', 'broken', 'odd', 'classes'}
    assert 'alike' not in page.ids and 'people' not in page.ids
    assert 'contains images of faces' in content
    assert cv2.imread(str(folder / min(images))).shape == (160, 160, 3)


def test_names_and_labels_are_escaped(splits, result, tmp_path):
    write_report(result, splits, tmp_path / 'report')
    content = (tmp_path / 'report/report.html').read_text()
    assert 'sad &lt;b&gt;' in content and 'sad <b>' not in content
    # The template adds the line breaks; names are escaped.
    assert 'sad &lt;b&gt;/<wbr>copy.jpg' in content


def test_thumbnails_of_an_earlier_report_are_gone(splits, result, tmp_path):
    write_report(result, splits, tmp_path / 'report')
    (tmp_path / 'report/thumbnails/mine.jpg').touch()
    write_report(replace(result, groups=[], alike=[]), splits, tmp_path / 'report')
    assert [path.name for path in (tmp_path / 'report/thumbnails').iterdir()] == ['mine.jpg']


def test_json_has_everything(splits, result, tmp_path):
    write_report(result, splits, tmp_path / 'report', max_shown=1)
    content = json.loads((tmp_path / 'report/report.json').read_text())
    assert content['clean'] is False and content['overlap'] == [[11, 1], [1, 0]]
    assert content['verdict'].startswith('NOT CLEAN')
    assert content['thresholds'] == dict(same=SAME, alike=ALIKE)
    leak, copies = content['groups']
    assert leak['leak'] and leak['labels'] == ['happy', 'sad <b>']
    (link,) = leak['links']
    assert link['kind'] == 'file' and link['similarity'] == 1 and link['across']
    assert [link['first'], link['second']] == leak['images']
    first = dict(split='train', name=str(tmp_path / 'train/happy/00000.jpg'))
    assert first.items() <= link['first'].items() and link['first']['label'] == 'happy'
    assert not copies['leak'] and len(copies['images']) == SHOWN + 3
    assert content['broken'][0]['name'].endswith('happy/00003.jpg')
    assert 'damaged' in content['broken'][0]['reason']
    assert {entry['notes'][0] for entry in content['odd']} == {'tiny, 24x24'}
    train = content['splits'][0]
    assert (train['images'], train['roles']) == (27, ['train'])
    assert train['classes'] == {'happy': 22, 'sad <b>': 5} and train['imbalance'] == 4.4
    assert train['sizes']['width'] == [24, 24, 24]


def test_long_lists_are_truncated(splits, result, tmp_path):
    write_report(result, splits, tmp_path / 'report', max_shown=2)
    content = (tmp_path / 'report/report.html').read_text()
    assert f'{TITLES["odd"]}: 30' in content and 'The first 2:' in content
    assert content.count('tiny, 24x24') == 2


def test_classes_and_people_of_drawn_images(tmp_path):
    splits = [
        Split(
            name, frozenset([name]), [AuditImage(f'{name}/{n}', f'class {n}', person) for n in '12']
        )
        for name, person in (('train', 'x'), ('test', 'x'))
    ]
    result = audit(splits)  # these images have no files
    write_report(result, splits, tmp_path / 'report')
    content = (tmp_path / 'report/report.html').read_text()
    assert '<td>train and test</td><td>1</td><td>1 and 1</td>' in content
    assert '<td>class 1</td><td>1</td><td>1</td>' in content
    assert '<td>train</td><td>2</td><td>2</td>\n<td>-</td>' in content
    assert 'People in train and test: 1 (of 1 and 1)' in to_text(result)
    many = [Split('a', frozenset('a'), [AuditImage(f'{n}', f'class {n}') for n in range(61)])]
    write_report(audit(many), many, tmp_path / 'report')
    content = (tmp_path / 'report/report.html').read_text()
    assert '61 labels in a.' in content and 'class 7' not in content
    assert '\n  61 labels\n' in to_text(audit(many))


def test_alike_pairs_are_shown(tmp_path):
    entries = [
        Entry(number, split, f'{number}.jpg', None, None) for number, split in enumerate('ab')
    ]
    write_image(tmp_path / '0.jpg')
    splits = [
        Split(split, frozenset(split), [AuditImage(str(tmp_path / '0.jpg'))]) for split in 'ab'
    ]
    result = replace(audit(splits), groups=[], alike=[Pair(*entries, 'alike', 0.95, True)])
    write_report(result, splits, tmp_path / 'report')
    page = Tags((tmp_path / 'report/report.html').read_text())
    assert page.images == ['thumbnails/0000000.jpg', 'thumbnails/0000001.jpg']
    assert 'similarity 0.950, across splits' in (tmp_path / 'report/report.html').read_text()
    assert 'similarity 0.950, across splits' in to_text(result)


def test_clean_set_is_called_clean(tmp_path):
    write_folders(tmp_path, {'happy': 3})
    result = audit([split_of_folder('all', tmp_path)])
    text = to_text(result)
    assert result.clean and 'clean: no leak, no unreadable file, no misplaced annotation.' in text
    assert TITLES['leaks'] not in text
