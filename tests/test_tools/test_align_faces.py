# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import json
import os
import re
import signal
import sys
from collections import Counter

import cv2
import numpy as np
import pytest
from face_trees import write_folders, write_image
from forked_processes import start_server
from interrupts import stop_when
from tool_calls import run_tool

from mmfer.analysis.alignment_errors import alignment_errors, read_points, read_wflw
from mmfer.datasets import CFP, UTKFace
from mmfer.datasets.transforms.face_geometry import warp
from mmfer.faces import POINT_NAMES, FaceChoice, face_template, similarity_map
from mmfer.preparation.align_faces import (
    align_faces,
    list_images,
    plan_alignment,
    read_list,
)
from mmfer.preparation.command import print_report
from mmfer.preparation.image_writer import Report
from mmfer.preparation.journal import JOURNAL, SettingsError
from mmfer.utils.atomic_file import atomic_write_csv

TOOL = 'dataset_converters/align_faces.py'
WHOLE = dict(type='whole')


@pytest.fixture
def yunet(real_data):
    return dict(type='yunet', model=str(real_data / 'weights/yunet_n_320_320.onnx'))


@pytest.fixture
def images(tmp_path):
    return write_folders(tmp_path / 'images', dict(sad=5, happy=6))


@pytest.fixture
def workers_that_have_imported(monkeypatch):
    """Workers receive pickled jobs like spawned ones, but without the seconds for imports."""
    start_server()
    monkeypatch.setattr('mmfer.preparation.align_faces._AlignmentWriter.start_method', 'forkserver')


def align(root, out, detector=WHOLE, image_format='png', names=None, **options) -> Report:
    jobs = plan_alignment(names or list_images(root, out), root, out, image_format)
    options = dict(dict(choice=FaceChoice(min_size=16)), **options)
    return align_faces(jobs, out, detector, image_format=image_format, **options)


def contents(folder):
    """Return every file except the journal, which is hidden."""
    files = [path for path in folder.rglob('*') if path.is_file() and path.name[0] != '.']
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rows(folder):
    with open(folder / 'alignment.csv', newline='') as file:
        return {row['path']: row for row in csv.DictReader(file)}


def test_crops_have_the_paths_of_their_images(images, tmp_path):
    report = align(images, tmp_path / 'out', size=48)
    assert report.counts == dict(aligned=11) and report.reused == 0 and report.failed == []
    crop = cv2.imread(str(tmp_path / 'out/sad/00003.png'))
    image = cv2.imread(str(images / 'sad/00003.jpg'))
    expected = cv2.resize(image, (48, 48))
    assert crop.shape == (48, 48, 3) and np.abs(crop.astype(int) - expected).max() <= 1
    row = rows(tmp_path / 'out')['sad/00003.jpg']
    assert row['output'] == 'sad/00003.png' and row['reason'] == 'only face'
    assert [float(row[key]) for key in ('x1', 'y1', 'x2', 'y2')] == [-0.5, -0.5, 23.5, 23.5]
    assert list(rows(tmp_path / 'out')) == list_images(images, tmp_path / 'out')


@pytest.mark.usefixtures('workers_that_have_imported')
def test_workers_write_the_same_bytes(images, tmp_path):
    for workers in (0, 2):
        align(images, tmp_path / str(workers), workers=workers)
    assert len(contents(tmp_path / '0')) == 12
    assert contents(tmp_path / '0') == contents(tmp_path / '2')


def test_only_changed_images_are_done_again(images, tmp_path):
    out = tmp_path / 'out'
    align(images, out)
    before = contents(out)
    assert align(images, out).reused == 11 and contents(out) == before
    write_image(images / 'sad/00000.jpg', 30, 30)
    (out / 'sad/00001.png').unlink()
    (images / 'happy/00005.jpg').unlink()
    assert align(images, out).reused == 8
    after = contents(out)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {'sad/00000.png', 'alignment.csv'}
    assert 'happy/00005.jpg' not in rows(out)


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere names of files are text')
def test_file_names_that_are_not_text(tmp_path):
    """For example from archives of another machine; also in a list."""
    name = os.fsdecode(b'm\xfcde.jpg')
    write_image(tmp_path / 'images/a.jpg', 40, 40)
    (tmp_path / 'images/a.jpg').rename(tmp_path / 'images' / name)
    (tmp_path / 'list.txt').write_bytes(os.fsencode(name) + b'\n')
    for source in (['images'], ['list.txt', '--root', tmp_path / 'images']):
        out = tmp_path / source[0][:4]
        done = run_tool(TOOL, tmp_path / source[0], out, *source[1:], '--detector', 'whole')
        assert done.returncode == 0, done.stderr
        assert list(rows(out)) == [r'm\udcfcde.jpg'] and (out / name).is_file()


def test_images_behind_links(images, tmp_path):
    (tmp_path / 'more').mkdir()
    (images / 'sad').rename(tmp_path / 'more/sad')
    (images / 'linked').symlink_to(tmp_path / 'more')
    (tmp_path / 'more/loop').symlink_to('.')
    names = list_images(images, tmp_path / 'out')
    assert names == [f'happy/{i:05}.jpg' for i in range(6)] + [
        f'linked/sad/{i:05}.jpg' for i in range(5)
    ]


def test_a_list_with_a_byte_order_mark(tmp_path):
    (tmp_path / 'list.txt').write_text('a.jpg\nb.jpg\n', encoding='utf-8-sig')
    assert read_list(tmp_path / 'list.txt') == ['a.jpg', 'b.jpg']


def test_refused_images_are_not_processed_again_and_have_no_crop(images, tmp_path):
    out = tmp_path / 'out'
    align(images, out)
    write_image(images / 'sad/00000.jpg', 12, 12)
    for reused in (10, 11):
        report = align(images, out)
        assert report.reused == reused and report.counts == dict(aligned=10, refused=1)
        assert report.failed == [('sad/00000.jpg', 'largest face has 12.0 px, below 16')]
    assert not (out / 'sad/00000.png').exists()
    row = rows(out)['sad/00000.jpg']
    assert row['decision'] == 'refused' and row['output'] == row['x1'] == ''


def test_other_settings_need_another_folder(images, tmp_path):
    align(images, tmp_path / 'out')
    others = (dict(size=224), dict(border='replicate'), dict(choice=FaceChoice()))
    for options in (*others, dict(kind='none')):
        with pytest.raises(SettingsError, match=f'{next(iter(options))}: .*, now '):
            align(images, tmp_path / 'out', **options)
    with pytest.raises(ValueError, match='image_format .*gif'):
        align(images, tmp_path / 'none', image_format='gif')
    with pytest.raises(ValueError, match="detector .*'retina'"):
        align(images, tmp_path / 'none', dict(type='retina'))
    assert not (tmp_path / 'none').exists()


def test_older_folders_without_kind_resume(images, tmp_path):
    align(images, tmp_path / 'out')
    journal = tmp_path / 'out' / JOURNAL
    first, *rest = journal.read_text().splitlines(keepends=True)
    settings = json.loads(first)['settings']
    settings.pop('kind', None)  # as in such folders
    journal.write_text(''.join([json.dumps(dict(settings=settings)) + '\n', *rest]))
    assert align(images, tmp_path / 'out').reused == 11
    with pytest.raises(SettingsError, match='kind: None, now none'):
        align(images, tmp_path / 'out', kind='none')


def test_lists_of_images(images, tmp_path):
    listed = tmp_path / 'names.txt'
    listed.write_text('sad/00001.jpg\n\n  happy/00002.jpg \nsad/00001.jpg\n')
    names = read_list(listed)
    assert names == ['sad/00001.jpg', 'happy/00002.jpg']
    align(images, images / 'inside', names=names)
    assert sorted(contents(images / 'inside')) == [
        'alignment.csv',
        'happy/00002.png',
        'sad/00001.png',
    ]
    for line in ('/a.jpg', 'sad/../../a.jpg', '..\\a.jpg', 'C:/a.jpg'):
        listed.write_text(f'sad/00001.jpg\n\n{line}')
        with pytest.raises(ValueError, match='names.txt.*line 3.*a.jpg'):
            read_list(listed)
    listed.write_text('\n')
    with pytest.raises(ValueError, match='names.txt'):
        read_list(listed)


def test_nothing_is_written_through_a_link(images, tmp_path):
    out, elsewhere = tmp_path / 'out', tmp_path / 'elsewhere'
    for folder in (out, elsewhere):
        folder.mkdir()
    (elsewhere / '.a.jpg.0.part').touch()
    (out / 'sad').symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(ValueError, match='sad/.*elsewhere'):
        align(images, out)
    assert [path.name for path in elsewhere.iterdir()] == ['.a.jpg.0.part']


def test_images_are_never_replaced(images, tmp_path):
    for out in (images, images / 'aligned'):
        with pytest.raises(ValueError, match='inside'):
            list_images(images, out)
    with pytest.raises(FileNotFoundError, match="/nowhere'"):
        list_images(tmp_path / 'nowhere', tmp_path / 'out')
    with pytest.raises(ValueError, match=re.escape(f"'{images}'")):
        plan_alignment(['sad/00001.jpg'], images, images)


def test_images_whose_crops_would_have_the_same_name(images, tmp_path):
    """Also on file systems that ignore case."""
    names = ['sad/00001.bmp', 'sad/00001.jpg', 'SAD/00001.png', 'sad/00001_2.jpg', 'sad/1.jpg']
    jobs = plan_alignment(names, images, tmp_path / 'out')
    assert [job.name for job in jobs] == names
    assert [job.target for job in jobs] == [
        *('sad/00001.jpg', 'sad/00001_2.jpg', 'SAD/00001_3.jpg'),
        *('sad/00001_2_2.jpg', 'sad/1.jpg'),
    ]


def test_which_files_are_images(images, tmp_path):
    (images / '.thumbs').mkdir()
    for name in ('.hidden.jpg', 'notes.txt', 'sad/._00001.jpg', '.thumbs/a.jpg', 'happy/X.PNG'):
        (images / name).touch()
    names = list_images(images, tmp_path / 'out')
    assert len(names) == 12 and names == sorted(names) and 'happy/X.PNG' in names
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match="/empty'"):
        list_images(tmp_path / 'empty', tmp_path / 'out')


def test_an_interrupted_run_resumes(repo_root, tmp_path):
    count = 150
    root, out = write_folders(tmp_path / 'images', dict(a=count)), tmp_path / 'out'
    options = ('--detector', 'whole', '--size', 224, '--format', 'png', '--min-size', 16)
    journal = out / '.journal.jsonl'

    def num_done():
        return journal.read_bytes().count(b'\n') - 1 if journal.is_file() else 0

    def stop_after(number, how):
        command = [sys.executable, '-W', 'ignore', f'tools/{TOOL}', root, out, *options]
        stopped = stop_when(lambda: num_done() >= number, command, how, cwd=repo_root)
        assert number <= num_done() < count
        assert not (out / 'alignment.csv').exists()
        return stopped

    status, message = stop_after(5, signal.SIGINT)
    assert status == 130 and 'run the same command again' in message
    assert stop_after(num_done() + 5, signal.SIGKILL)[0] == -signal.SIGKILL
    done = num_done()
    last = run_tool(TOOL, root, out, *options)
    assert last.returncode == 0, last.stderr
    assert f'150 aligned ({done} of them from an earlier run)' in last.stdout
    assert not list(out.rglob('*.part'))
    align(root, tmp_path / 'fresh', size=224)
    assert contents(out) == contents(tmp_path / 'fresh')


def test_images_without_a_crop_are_reported(images, tmp_path):
    bad = images / 'sad/00001.jpg'
    whole = bad.read_bytes()
    bad.write_bytes(whole[:100])
    write_image(images / 'sad/00002.jpg', 8, 8)
    (tmp_path / 'names.txt').write_text('sad/00001.jpg\nsad/00002.jpg\nsad/00003.jpg\nno.jpg\n')
    arguments = (TOOL, tmp_path / 'names.txt', tmp_path / 'out', '--root', images)
    arguments += ('--detector', 'whole', '--min-size', 16)
    done = run_tool(*arguments)
    assert done.returncode == 1, done.stderr
    assert '1 aligned, 1 refused, 2 unreadable (0 of them from an earlier run)' in done.stdout
    assert 'no crop of sad/00002.jpg: largest face has 8.0 px, below 16' in done.stderr
    assert '3 images have no crop' in done.stderr and 'Traceback' not in done.stderr
    report = rows(tmp_path / 'out')
    assert 'truncated' in report['sad/00001.jpg']['reason']
    assert 'No such file' in report['no.jpg']['reason']

    bad.write_bytes(whole)
    done = run_tool(*arguments)
    assert done.returncode == 1 and '2 aligned, 1 refused, 1 unreadable (2 of' in done.stdout


def test_the_detector_that_is_installed(real_data, yunet, tmp_path, monkeypatch):
    """YuNet's file in a package is found by default; without the package there is an error."""
    root, names = real_data / 'smile_folders', tmp_path / 'names.txt'
    names.write_text('happiness/london_001.jpg')
    monkeypatch.setattr('mmfer.faces.named_detector.installed_yunet', lambda: yunet['model'])
    done = run_tool(TOOL, names, tmp_path / 'out', '--root', root)
    assert done.returncode == 0 and '1 aligned' in done.stdout
    assert '"type": "yunet"' in (tmp_path / 'out' / JOURNAL).read_text()
    monkeypatch.undo()
    monkeypatch.setattr('mmfer.faces.named_detector.find_spec', lambda name: None)
    done = run_tool(TOOL, names, tmp_path / 'none', '--root', root)
    assert done.returncode == 2 and 'facenet-pytorch==' in done.stderr
    assert 'Traceback' not in done.stderr and not (tmp_path / 'none').exists()


def test_errors_of_the_command(images, tmp_path):
    out, model = tmp_path / 'out', tmp_path / 'a.onnx'
    model.write_bytes(b'nothing')
    for arguments, message in (
        ((images, out, '--detector', 'mtcnn', '--model', model), '--detector mtcnn takes none'),
        ((images, out, '--model', model), 'is not one of the published files'),
        ((images, out, '--detector', 'whole', '--root', images), '--root is for lists'),
        ((images, out, '--detector', 'whole', '--kind', 'tight'), 'needs --kind aligned'),
        ((images, model / 'out', '--detector', 'whole'), 'Not a directory'),
    ):
        done = run_tool(TOOL, *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr
        assert 'Traceback' not in done.stderr and not out.exists()


@pytest.mark.usefixtures('workers_that_have_imported')
def test_real_images(real_data, yunet, tmp_path):
    """Every portrait has one face, and a second run with two processes gives the same bytes."""
    root = real_data / 'smile_folders'
    for out, workers in (('first', 0), ('second', 2)):
        done = run_tool(TOOL, root, tmp_path / out, '--model', yunet['model'], '--workers', workers)
        assert done.returncode == 0, done.stderr
    assert contents(tmp_path / 'first') == contents(tmp_path / 'second')
    report = rows(tmp_path / 'first')
    assert Counter(row['reason'] for row in report.values()) == {'only face': 183}
    residuals = [float(row['residual']) for row in report.values()]
    assert np.mean(residuals) < 4 and max(residuals) < 7

    # The report is correct: its points give the same crop.
    name = 'happiness/london_001.jpg'
    points = read_points(tmp_path / 'first/alignment.csv')[name]
    matrix = similarity_map(points, face_template(112))
    crop = warp(cv2.imread(str(root / name)), matrix, (112, 112))
    _, encoded = cv2.imencode('.jpg', crop, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert encoded.tobytes() == (tmp_path / 'first' / name).read_bytes()


@pytest.mark.parametrize('layout, count', [('utkface_layout', 183), ('cfp_layout', 390)])
def test_boxes_found_in_real_images(layout, count, real_data, yunet, tmp_path):
    """Every portrait has a face; a dataset with these boxes has the same crops as the tool."""
    root, tool = real_data / layout, (TOOL, real_data / layout)
    done = run_tool(*tool, tmp_path / 'found', '--kind', 'none', '--model', yunet['model'])
    assert done.returncode == 0, done.stderr
    assert f'{count} found' in done.stdout and list(contents(tmp_path / 'found')) == [
        'alignment.csv'
    ]
    kind = UTKFace if layout == 'utkface_layout' else CFP
    pipeline = [dict(type='LoadFaceImage'), dict(type='CropFace', kind='loose', size=256)]
    boxes = str(tmp_path / 'found/alignment.csv')
    parts = [kind(root, part, boxes=boxes, pipeline=pipeline) for part in ('trainval', 'test')]
    assert sum(map(len, parts)) == count
    sample = parts[1][3]
    listed = tmp_path / 'one.txt'
    listed.write_text(os.path.relpath(sample['img_path'], root))
    options = ('--root', root, '--kind', 'loose', '--format', 'png', '--model', yunet['model'])
    done = run_tool(TOOL, listed, tmp_path / 'loose', *options)
    assert done.returncode == 0 and '1 cropped' in done.stdout, done.stderr
    (path,) = (tmp_path / 'loose').rglob('*.png')
    np.testing.assert_array_equal(cv2.imread(str(path)), sample['img'])


def test_images_without_a_box_are_reported(images, tmp_path, capsys):
    write_image(images / 'sad/00002.jpg', 8, 8)
    report = align(images, tmp_path / 'out', kind='none')
    assert report.counts == dict(found=10, refused=1)
    assert report.failed == [('sad/00002.jpg', 'largest face has 8.0 px, below 16')]
    assert print_report(report, tmp_path / 'out', 'alignment.csv', 'box') == 1
    assert '1 images have no box' in capsys.readouterr().err
    assert align(images, tmp_path / 'out', kind='none').reused == 11
    report = align(images, tmp_path / 'whole', kind='none', no_face='whole')
    assert report.counts == dict(found=10, whole=1) and report.failed == []


def test_names_in_reports_come_back(tmp_path):
    """Names that a spreadsheet would run as formulas are written as text."""
    columns = [f'{point}_{axis}' for point in POINT_NAMES for axis in 'xy']
    row = ['=1+1.jpg', 'aligned', *range(10)]
    atomic_write_csv(tmp_path / 'report.csv', [['path', 'decision', *columns], row])
    (name,) = read_points(tmp_path / 'report.csv')
    assert name == '=1+1.jpg'


@pytest.mark.parametrize('kind', ['yunet', 'mtcnn'])
def test_error_against_labeled_eyes(kind, real_data, yunet, tmp_path):
    """106 portraits, randomly rotated and shifted; bounds are 20 % above the measured values."""
    if kind == 'mtcnn':
        pytest.importorskip('facenet_pytorch', reason='facenet-pytorch is not installed')
    detector = dict(yunet=yunet, mtcnn=dict(type='mtcnn'))[kind]
    align(real_data / 'wflw_layout/WFLW_images', tmp_path, detector)
    labels = read_wflw(real_data / 'wflw_layout')
    errors = alignment_errors(read_points(tmp_path / 'alignment.csv'), labels)
    assert len(errors.names) == errors.num_images == 106
    bounds = dict(yunet=((5.8, 10.2), (1.8, 3.8)), mtcnn=((3.4, 7.0), (1.4, 3.0)))[kind]
    for values, (mean, worst) in zip((errors.eyes, errors.corners), bounds, strict=True):
        assert values.mean() < mean and values.max() < worst


def test_alignment_error_tool(real_data, yunet, tmp_path):
    tool = 'analysis_tools/alignment_error.py'
    root, out = real_data / 'wflw_layout', tmp_path / 'out'
    names = list_images(root / 'WFLW_images', out)[:3]
    align(root / 'WFLW_images', out, yunet, names=names)
    done = run_tool(tool, out, root)
    assert done.returncode == 0, done.stderr
    assert '3 of 106 labeled images aligned (2.8 %)' in done.stdout
    assert done.stdout.count(' worst ') == 3
    align(root, tmp_path / 'above', yunet, names=[f'WFLW_images/{names[0]}'])
    done = run_tool(tool, tmp_path / 'above', root)
    assert done.returncode == 2 and 'was WFLW_images aligned' in done.stderr
    done = run_tool(tool, tmp_path, root)
    assert done.returncode == 2 and 'No such file' in done.stderr
    (tmp_path / 'alignment.csv').write_text('a,b\n')
    done = run_tool(tool, tmp_path, root)
    assert done.returncode == 2 and 'is not a report of align_faces.py' in done.stderr
