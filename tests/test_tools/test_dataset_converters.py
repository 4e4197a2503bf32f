# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import json
import signal
import sys

import cv2
import numpy as np
import pytest
from expression_trees import (
    expw_line,
    write_affectnet_folders,
    write_affectnet_lists,
    write_expw,
)
from face_trees import (
    WFLW_LISTS,
    utkface_names,
    wflw_line,
    write_cfp,
    write_folders,
    write_image,
    write_utkface,
    write_wflw,
)
from interrupts import stop_when
from tool_calls import run_tool

from mmfer.categories import EXPRESSIONS
from mmfer.datasets import CFP, AffectNet, ExpW, FaceCrops, UTKFace
from mmfer.datasets.transforms import CropFace
from mmfer.preparation.convert_crops import convert_crops, plan_crops
from mmfer.preparation.dataset_parts import build_parts, plain_options
from mmfer.preparation.journal import SettingsError
from mmfer.utils.atomic_file import atomic_write_csv

TOOL = 'dataset_converters/to_crops.py'


def convert(dataset, root, out, kind='tight', size=32, image_format='png', workers=0, **options):
    parts = build_parts(dataset, str(root), options)
    jobs = plan_crops(parts, root, image_format)
    crop = dict(type='CropFace', kind=kind, size=size)
    metainfo = next(iter(parts.values())).metainfo
    return convert_crops(jobs, crop, out, metainfo, image_format, workers)


def contents(folder):
    """Return every file except the journal, which is hidden."""
    files = [path for path in folder.rglob('*') if path.is_file() and path.name[0] != '.']
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def annotations(folder):
    return json.loads((folder / 'annotations.json').read_text())


def test_crops_and_labels_are_those_of_the_transform(tmp_path):
    write_wflw(
        tmp_path / 'wflw', [wflw_line('0--Parade/a.jpg', 3, '0 1 0 0 0 0')], [wflw_line('b.jpg', 9)]
    )
    convert('WFLW', tmp_path / 'wflw', tmp_path / 'crops')
    for split in ('train', 'test'):
        source = build_parts('WFLW', str(tmp_path / 'wflw'), {})[split].get_data_info(0)
        source['img'] = cv2.imread(source['img_path'])
        expected = CropFace('tight', size=32)(source)
        crops = FaceCrops(tmp_path / 'crops', split, pipeline=[dict(type='LoadFaceImage')])
        np.testing.assert_array_equal(crops[0]['img'], expected['img'])
        for key in ('gt_landmarks', 'face_box'):
            np.testing.assert_allclose(crops[0][key], expected[key], atol=6e-4)
        np.testing.assert_array_equal(crops[0]['attributes'], expected['attributes'])
    path = annotations(tmp_path / 'crops')['data_list'][0]['img_path']
    assert path == 'images/train/WFLW_images/0--Parade/a.png'


def test_landmarks_lie_on_what_they_mark(tmp_path):
    write_wflw(tmp_path / 'wflw', [wflw_line('a.jpg')])
    image = np.zeros((64, 80, 3), np.uint8)
    marked = [0, 40, 97]
    for index in marked:
        x, y = 10 + index / 2, 20 + index / 4
        cv2.circle(image, (round(x), round(y)), 2, (255, 255, 255), cv2.FILLED)
    cv2.imwrite(str(tmp_path / 'wflw/WFLW_images/a.jpg'), image)
    convert('WFLW', tmp_path / 'wflw', tmp_path / 'crops', size=128)
    sample = FaceCrops(tmp_path / 'crops', pipeline=[dict(type='LoadFaceImage')])[0]
    for index, (x, y) in enumerate(sample['gt_landmarks'].round().astype(int)):
        if index in marked:
            assert sample['img'][y, x].min() > 180
        elif min(abs(index - m) for m in marked) > 10:
            assert sample['img'][y, x].max() < 80


def test_faces_of_one_image_have_unique_names(tmp_path):
    write_wflw(tmp_path / 'wflw', [wflw_line('a.jpg'), wflw_line('a.jpg', 5), wflw_line('b.jpg')])
    convert('WFLW', tmp_path / 'wflw', tmp_path / 'crops')
    names = [r['img_path'].rsplit('/', 1)[1] for r in annotations(tmp_path / 'crops')['data_list']]
    assert names == ['a.png', 'a.1.png', 'b.png']
    assert all((tmp_path / f'crops/images/train/WFLW_images/{name}').is_file() for name in names)


def test_names_that_another_image_already_uses(tmp_path):
    lines = [wflw_line('a.jpg'), wflw_line('a.jpg', 5), wflw_line('a.1.jpg', 9)]
    for order in (lines, lines[::-1]):
        folder = tmp_path / str(order is lines)
        write_wflw(folder / 'wflw', order)
        convert('WFLW', folder / 'wflw', folder / 'crops')
        names = [record['img_path'] for record in annotations(folder / 'crops')['data_list']]
        assert len(set(names)) == 3


def samples_of(dataset):
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def labels_of(dataset):
    """Return the class name and the other labels of ExpW for each sample."""
    classes = dataset.metainfo['classes']
    kept = ('image', 'face', 'confidence', 'expression')
    return [(classes[sample['gt_label']], *map(sample.get, kept)) for sample in samples_of(dataset)]


@pytest.mark.parametrize('by', ['image', 'face'])
def test_faces_of_expw_keep_split_and_labels(tmp_path, by):
    lines = [
        expw_line(f'actor_{number}.jpg', (number + face) % 7, face=face, confidence=40 + number)
        for number in range(60)
        for face in range(2)
    ]
    write_expw(tmp_path / 'expw', lines)
    options = dict(by=by, min_confidence=50)
    report = convert('ExpW', tmp_path / 'expw', tmp_path / 'crops', **options)
    assert report.counts.total() == 100
    for split in ('train', 'val', 'test'):
        source = ExpW(tmp_path / 'expw', split, **options)
        crops = FaceCrops(tmp_path / 'crops', split)
        assert labels_of(crops) == labels_of(source)
        assert crops.metainfo['classes'] == source.metainfo['classes']


def test_a_crop_can_be_cropped_again_by_the_config(tmp_path):
    """ExpW's config crops the box; applied to a crop it gives the same face."""
    write_expw(tmp_path / 'expw', [expw_line('a.jpg', 0, box=(60, 50, 120, 100))])
    rows, columns = np.mgrid[:200, :200]
    image = np.stack([rows, columns, 255 - rows], axis=2).astype(np.uint8)
    (split,) = build_parts('ExpW', str(tmp_path / 'expw'), {})
    cv2.imwrite(str(tmp_path / 'expw/data/image/origin/a.jpg'), image)
    convert('ExpW', tmp_path / 'expw', tmp_path / 'crops', size=128)
    crop = dict(type='CropFace', kind='tight', source='auto', scale=1.0, shift=(0, 0), size=64)
    pipeline = [dict(type='LoadFaceImage'), crop]
    before = ExpW(tmp_path / 'expw', split, pipeline=pipeline)[0]['img']
    after = FaceCrops(tmp_path / 'crops', split, pipeline=pipeline)[0]['img']
    np.testing.assert_allclose(after.astype(int), before.astype(int), atol=4)


@pytest.mark.parametrize('write', [write_affectnet_lists, write_affectnet_folders])
def test_faces_of_affectnet_keep_their_labels(tmp_path, write):
    root = write(tmp_path / 'affectnet', [*range(8), 0], range(8))
    report = convert('AffectNet', root, tmp_path / 'crops', num_classes=8)
    assert report.counts == dict(train=9, val=8)
    for split in ('train', 'val'):
        source = AffectNet(str(root), split, num_classes=8)
        crops = FaceCrops(tmp_path / 'crops', split)
        assert labels_of(crops) == labels_of(source)
        assert all(
            ('face_box' in sample) == (write is write_affectnet_lists)
            for sample in samples_of(crops)
        )


def test_faces_of_affectnet_without_a_class_keep_their_place(tmp_path):
    root = write_affectnet_lists(tmp_path / 'affectnet', [0, 7], [7, 2])  # 7 is Contempt
    convert('AffectNet', root, tmp_path / 'crops', valence_arousal=True)
    crops = FaceCrops(tmp_path / 'crops', 'val')
    assert crops.get_gt_labels().tolist() == [-1, EXPRESSIONS.index('Sadness')]
    places = [sample['gt_valence_arousal'] for sample in samples_of(crops)]
    np.testing.assert_allclose(places, [(0.1, -0.2)] * 2, rtol=1e-6)


def test_workers_write_the_same_bytes(tmp_path):
    write_folders(tmp_path / 'set', dict(sad=6, happy=6))
    options = dict(classes=['Sadness', 'Happiness'])
    for workers in (0, 2):
        out = tmp_path / str(workers)
        convert('AffectNetHQ', tmp_path / 'set', out, 'loose', workers=workers, **options)
    assert len(contents(tmp_path / '0')) == 14
    assert contents(tmp_path / '0') == contents(tmp_path / '2')


def test_only_changed_faces_are_done_again(tmp_path):
    lines = [wflw_line(f'{name}.jpg') for name in 'abcd']
    root, out = write_wflw(tmp_path / 'wflw', lines), tmp_path / 'crops'
    assert convert('WFLW', root, out).reused == 0
    before = contents(out)
    assert convert('WFLW', root, out).reused == 4
    assert contents(out) == before

    # Another image, another label, a deleted crop.
    write_image(root / 'WFLW_images/a.jpg', 70, 80)
    lines[1] = wflw_line('b.jpg', 7)
    (root / WFLW_LISTS / 'list_98pt_rect_attr_train.txt').write_text('\n'.join(lines))
    (out / 'images/train/WFLW_images/c.png').unlink()
    assert convert('WFLW', root, out).reused == 1
    fresh = tmp_path / 'fresh'
    convert('WFLW', root, fresh)
    assert contents(out) == contents(fresh)
    changed = {name for name, content in contents(out).items() if before[name] != content}
    folder = 'images/train/WFLW_images'
    # The crop of b shows another part of the image, with the landmarks at the same place in it.
    assert changed == {f'{folder}/a.png', f'{folder}/b.png'}


def test_an_incomplete_line_of_the_journal_is_ignored(tmp_path):
    root = write_wflw(tmp_path / 'wflw', [wflw_line(f'{name}.jpg') for name in 'abc'])
    convert('WFLW', root, tmp_path / 'crops')
    before = contents(tmp_path / 'crops')
    journal = tmp_path / 'crops/.journal.jsonl'
    journal.write_bytes(journal.read_bytes()[:-20])
    assert convert('WFLW', root, tmp_path / 'crops').reused == 2
    assert contents(tmp_path / 'crops') == before
    assert convert('WFLW', root, tmp_path / 'crops').reused == 3


def test_other_settings_need_another_folder(tmp_path):
    root = write_wflw(tmp_path / 'wflw', [wflw_line('a.jpg')])
    convert('WFLW', root, tmp_path / 'crops')
    with pytest.raises(SettingsError, match="crop: .*'tight', .*, now .*'loose'"):
        convert('WFLW', root, tmp_path / 'crops', kind='loose')
    with pytest.raises(ValueError, match='kind .*lose'):
        convert('WFLW', root, tmp_path / 'none', kind='lose')
    assert not (tmp_path / 'none').exists()


def test_options_of_the_dataset():
    words = ['val_ratio=.1', 'folders.calm=Neutral', 'classes=Neutral,Happiness']
    assert plain_options(words) == dict(
        val_ratio=0.1, folders=dict(calm='Neutral'), classes=['Neutral', 'Happiness']
    )
    with pytest.raises(ValueError, match=r"\['split'\]"):
        build_parts('WFLW', '.', dict(split='test'))


def test_a_folder_with_another_default_split_is_an_error(tmp_path):
    root, out = write_cfp(tmp_path / 'cfp'), tmp_path / 'crops'
    convert('CFP', root, out, 'loose', 256)  # stores no rule, like older folders
    before = contents(out)
    done = run_tool(TOOL, 'CFP', root, out, '--kind', 'loose', '--format', 'png')
    assert done.returncode == 2 and "now {'split_rule': 'random'}" in done.stderr
    assert contents(out) == before and len(FaceCrops(out, 'train')) > 0


def test_an_interrupted_conversion_resumes(repo_root, tmp_path):
    count = 200  # enough that the conversion is still running when it is stopped
    root = write_utkface(tmp_path / 'utkface', utkface_names(count))
    out, options = tmp_path / 'crops', ('--kind', 'loose', '--format', 'png')
    journal = out / '.journal.jsonl'

    def num_done():
        return journal.read_bytes().count(b'\n') - 1 if journal.is_file() else 0

    def stop_after(number, how):
        command = [sys.executable, '-W', 'ignore', f'tools/{TOOL}', 'UTKFace', root, out, *options]
        stopped = stop_when(lambda: num_done() >= number, command, how, cwd=repo_root)
        assert number <= num_done() < count
        assert not (out / 'annotations.json').exists()
        return stopped

    status, message = stop_after(5, signal.SIGINT)
    assert status == 130 and 'run the same command again' in message
    assert stop_after(num_done() + 5, signal.SIGKILL)[0] == -signal.SIGKILL

    done = num_done()
    last = run_tool(TOOL, 'UTKFace', root, out, *options)
    assert last.returncode == 0, last.stderr
    assert f'({done} of them from an earlier run)' in last.stdout
    assert not list(out.rglob('*.part'))
    # An uninterrupted conversion gives the same files.
    convert('UTKFace', root, tmp_path / 'fresh', 'loose', 256)
    assert contents(out / 'images') == contents(tmp_path / 'fresh/images')
    assert annotations(out)['data_list'] == annotations(tmp_path / 'fresh')['data_list']


def test_unreadable_images_are_reported(tmp_path):
    root = write_utkface(tmp_path / 'utkface', [*utkface_names(20), '61_1_20170109142408075.jpg'])
    bad = UTKFace(root, 'test').get_data_info(0)['img_path']
    with open(bad, 'r+b') as file:
        whole = file.read()
        file.truncate(100)
    arguments = (TOOL, 'UTKFace', root, tmp_path / 'crops', '--kind', 'loose', '--size', 32)
    done = run_tool(*arguments)
    assert done.returncode == 1, done.stderr
    assert (
        f'no crop of {bad}: test: cannot read image' in done.stderr and 'truncated' in done.stderr
    )
    assert '1 images have no crop' in done.stderr and '1 files have no label' in done.stdout
    with open(tmp_path / 'crops/skipped.csv', newline='') as file:
        header, unnamed, skipped = csv.reader(file)
    assert header == ['img_path', 'split', 'reason']
    assert unnamed[0].endswith('/61_1_20170109142408075.jpg') and 'not like' in unnamed[2]
    assert skipped[:2] == [bad, 'test'] and 'truncated' in skipped[2]
    content = annotations(tmp_path / 'crops')
    assert content['metainfo']['skipped'] == dict(test=1) and len(content['data_list']) == 19

    with open(bad, 'wb') as file:
        file.write(whole)
    done = run_tool(*arguments)
    assert done.returncode == 0 and '(19 of them from an earlier run)' in done.stdout
    assert annotations(tmp_path / 'crops')['metainfo']['skipped'] == {}


def test_errors_of_the_command(tmp_path):
    done = run_tool(TOOL, 'WFLW', tmp_path / 'nowhere', tmp_path / 'out', '--kind', 'tight')
    assert done.returncode == 2 and "nowhere' does not exist" in done.stderr
    assert 'Traceback' not in done.stderr and not (tmp_path / 'out').exists()
    done = run_tool(TOOL, 'WFLW', tmp_path, tmp_path / 'out', '--kind', 'tight', '--size', 0)
    assert done.returncode == 2 and '--size' in done.stderr
    root = write_wflw(tmp_path / 'wflw', [wflw_line('a.jpg')])
    (tmp_path / 'file').touch()
    done = run_tool(TOOL, 'WFLW', root, tmp_path / 'file/out', '--kind', 'tight')
    assert done.returncode == 2 and 'Not a directory' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('absolute', [False, True])
def test_no_crop_is_written_outside(tmp_path, absolute):
    name = str(tmp_path / 'a/evil.jpg') if absolute else '../../a/evil.jpg'
    root = write_wflw(tmp_path / 'wflw', [wflw_line('good.jpg'), wflw_line(name)])
    before = sorted(tmp_path.rglob('*'))
    done = run_tool(TOOL, 'WFLW', root, tmp_path / 'b/out', '--kind', 'tight')
    assert done.returncode == 2 and 'WFLW, train' in done.stderr and 'evil.jpg' in done.stderr
    assert sorted(tmp_path.rglob('*')) == before


def test_written_split_is_read_back(tmp_path):
    root = write_cfp(tmp_path / 'cfp')
    done = run_tool('dataset_converters/write_split.py', 'CFP', root, tmp_path / 'split.csv')
    assert done.returncode == 0, done.stderr
    assert '23 train, 3 val, 4 test' in done.stdout
    for split in ('train', 'val', 'test'):
        by_file = CFP(root, split, split_file=tmp_path / 'split.csv')
        assert by_file.split_keys() == CFP(root, split).split_keys()


def test_crops_around_detected_boxes(real_data, tmp_path):
    """Equal to the dataset with these boxes; images without a face are skipped."""
    root = real_data / 'utkface_layout'
    names = [path.name for path in sorted(root.glob('*.jpg'))]
    rows = [[name, 'found', 20, 30, 180, 210] for name in names[1:]]
    header = ['path', 'decision', 'x1', 'y1', 'x2', 'y2']
    rows = [header, [names[0], 'refused', None, None, None, None], *rows]
    atomic_write_csv(tmp_path / 'boxes.csv', rows)
    boxes = str(tmp_path / 'boxes.csv')
    report = convert('UTKFace', root, tmp_path / 'crops', kind='loose', boxes=boxes)
    assert sum(report.counts.values()) == len(names) - 1
    pipeline = [dict(type='LoadFaceImage'), dict(type='CropFace', kind='loose', size=32)]
    made = FaceCrops(tmp_path / 'crops', 'test', pipeline=pipeline[:1])
    source = UTKFace(root, 'test', boxes=boxes, pipeline=pipeline)
    np.testing.assert_array_equal(made[0]['img'], source[0]['img'])


def test_real_images(real_data, tmp_path):
    report = convert('WFLW', real_data / 'wflw_layout', tmp_path, size=64, val_ratio=0.1)
    assert sum(report.counts.values()) == 106 and report.counts['test'] == 14
    for split in ('train', 'val', 'test'):
        dataset = FaceCrops(tmp_path, split)
        points = np.stack([dataset.get_data_info(i)['gt_landmarks'] for i in range(len(dataset))])
        assert (points > 0).all() and (points < 63).all()


def test_boxes_of_another_image_give_no_crops(tmp_path):
    lines = [expw_line(f'{i}.jpg', i % 7) for i in range(40)]
    lines[3] = expw_line('3.jpg', 3, box=(60, 60, 90, 90))
    root, out = write_expw(tmp_path / 'expw', lines), tmp_path / 'crops'
    done = run_tool(TOOL, 'ExpW', root, out, '--kind', 'tight', '--size', 32)
    assert done.returncode == 1 and 'no crop of' in done.stderr
    with open(out / 'skipped.csv', newline='') as file:
        _, (path, _, reason) = csv.reader(file)
    assert path.endswith('/3.jpg') and '0% is in the image of 24x24' in reason
    assert len(annotations(out)['data_list']) == len(list(out.rglob('*.jpg'))) == 39
