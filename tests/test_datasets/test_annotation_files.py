# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Properties of all lists: encodings, and an error for contradicting labels of one face."""

import cv2
import numpy as np
import pytest
from expression_trees import (
    affectnet_row,
    expw_line,
    unanimous,
    write_affectnet_folders,
    write_affectnet_lists,
    write_affwild2,
    write_expw,
    write_ferplus,
)
from face_trees import WFLW_LISTS, wflw_line, write_cfp, write_wflw
from rafdb_tree import write_rafdb

from mmfer.datasets import CFP, RAFDB, WFLW, AffectNet, AffWild2, ExpW, FERPlus
from mmfer.datasets.annotation_files import list_files, read_lines


def rafdb(root):
    path = write_rafdb(root) / 'basic/EmoLabel/list_patition_label.txt'
    return path, lambda: RAFDB(root), 'train_00001.jpg 6', 'train_00001.jpg 1'


def expw(root):
    path = write_expw(root, [expw_line(f'{i}.jpg', i % 7) for i in range(30)])
    return (
        path / 'data/label/label.lst',
        lambda: ExpW(root),
        expw_line('3.jpg', 4),
        expw_line('3.jpg', 3),
    )


def affectnet(root):
    write_affectnet_lists(root, [0, 1, 2], [0])
    row = ('1/training000.jpg', 3), ('1/training000.jpg', 0)
    return (
        root / 'Manually_Annotated_file_lists/training.csv',
        lambda: AffectNet(root),
        *(affectnet_row(*each) for each in row),
    )


def ferplus(root):
    write_ferplus(root, [('Training', unanimous(c)) for c in range(8)])
    votes = [','.join(map(str, unanimous(c))) for c in (3, 0)]
    path = root / 'fer2013new.csv'
    return path, lambda: FERPlus(root), *(f'Training,fer0000000.png,{v}' for v in votes)


def wflw(root):
    path = write_wflw(root, [wflw_line('a.jpg')]) / WFLW_LISTS / 'list_98pt_rect_attr_train.txt'
    return (
        path,
        lambda: WFLW(root),
        wflw_line('a.jpg', attributes='1 0 0 0 0 0'),
        wflw_line('a.jpg'),
    )


def split_file(root):
    write_cfp(root)
    path = root / 'split.csv'
    path.write_text(''.join(f'001/{i:02d},train\n' for i in range(1, 11)))
    return path, lambda: CFP(root, split_file=str(path)), '001/frontal/01.jpg,test', None


LISTS = pytest.mark.parametrize('write', [rafdb, expw, affectnet, ferplus, wflw, split_file])


@LISTS
@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_marked_encodings_are_read_alike(tmp_path, write, encoding):
    path, read, *_ = write(tmp_path)
    count = len(read())
    text = path.read_text()
    path.write_bytes(text.replace('\n', '\r\n').encode(encoding))
    assert len(read()) == count


@LISTS
def test_other_encodings_are_named_with_file_and_line(tmp_path, write):
    path, read, *_ = write(tmp_path)
    lines = path.read_bytes().split(b'\n')
    path.write_bytes(b'\n'.join([lines[0], b'caf\xe9.jpg', *lines[1:]]))
    with pytest.raises(ValueError, match=rf'{path.name}, line 2: .*0xe9.*Save the file as UTF-8'):
        read()


@LISTS
def test_two_labels_of_one_face_are_an_error(tmp_path, write):
    path, read, other, _ = write(tmp_path)
    with open(path, 'a') as file:
        file.write(f'{other}\n')
    last = len(path.read_text().splitlines())
    with pytest.raises(ValueError, match=rf'{path.name}, line {last}: .*(contradicts line|again)'):
        read()


@LISTS
def test_repetitions_stay_and_are_counted(tmp_path, write, monkeypatch):
    path, read, _, same = write(tmp_path)
    if same is None or write is ferplus:  # the other table would have to repeat it, too
        return
    count, messages = len(read()), []
    monkeypatch.setattr(
        'mmfer.datasets.annotation_files.print_log', lambda m, *_: messages.append(m)
    )
    with open(path, 'a') as file:
        file.write(f'{same}\n')
    assert len(read()) in (count, count + 1)  # ExpW's may be of another part
    assert len(messages) == 1 and '1 entries repeat others' in messages[0]


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_frames_of_videos_in_marked_encodings(tmp_path, encoding):
    root = write_affwild2(tmp_path, {'Train_Set/a': [0, 1, 2]}, {'Train_Set/a': [1, 0, 1]})
    for path in root.glob('annotations/*/*/*.txt'):
        path.write_bytes(path.read_text().replace('\n', '\r\n').encode(encoding))
    assert len(AffWild2(root)) == 3


@pytest.mark.parametrize('content', [b'', b'\x93NUMPY', b'x'])
def test_damaged_label_files_are_named(tmp_path, content):
    root = write_affectnet_folders(tmp_path, [0, 1], [0])
    (root / 'train_set/annotations/1_exp.npy').write_bytes(content)
    with pytest.raises(ValueError, match='1_exp.npy is not one plain number'):
        AffectNet(root)
    np.save(root / 'train_set/annotations/1_exp.npy', np.array(1.0))
    with pytest.raises(ValueError, match=r'1_exp.npy .*1\.0'):
        AffectNet(root)


def test_lines_of_old_macs(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'1\r2\r\n\n3')
    assert read_lines(tmp_path / 'a.txt', int) == [1, 2, 3]


def test_system_files_are_not_images(tmp_path):
    for name in ('b.jpg', 'a.PNG', '._a.png', '.c.jpg', 'Thumbs.db', 'desktop.ini', 'a.txt'):
        (tmp_path / name).touch()
    assert [path.name for path in list_files(tmp_path)] == ['a.PNG', 'b.jpg']


def test_images_are_found_by_content_and_others_named(tmp_path, skipped):
    image = np.full((4, 4, 3), 9, np.uint8)
    for suffix, name in (('.jpg', 'a.jfif'), ('.png', 'b'), ('.webp', 'c.webp')):
        (tmp_path / name).write_bytes(cv2.imencode(suffix, image)[1].tobytes())
    (tmp_path / 'd.zip').write_bytes(b'PK')
    (tmp_path / 'folder').mkdir()
    assert [path.name for path in list_files(tmp_path)] == ['a.jfif', 'b', 'c.webp']
    assert '1 skipped (no image): d.zip' in skipped[-1]
    assert [path.name for path in list_files(tmp_path, ('.webp',))] == ['c.webp']
    assert '3 skipped (no .webp): a.jfif, b, d.zip' in skipped[-1]
