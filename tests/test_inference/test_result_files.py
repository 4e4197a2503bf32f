# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import errno
import json
import os
import signal
import sys
from dataclasses import FrozenInstanceError, replace

import cv2
import numpy as np
import pytest
from forked_processes import run_python
from interrupts import stop_when

from mmfer.faces import POINT_NAMES
from mmfer.inference import FaceResult, ImageResult, KeptPatches
from mmfer.inference.annotated_files import AnnotatedFiles
from mmfer.inference.images import InputImage, read_images
from mmfer.inference.writers import CsvWriter, JsonLinesWriter, read_json_lines

FACE = FaceResult(
    box=(10.0, 12.5, 40.25, 50.0),
    crop_map=((1.0, 0.0, -10.0), (0.0, 1.0, -12.0)),
    crop_size=(32, 32),
    detection_score=0.912,
    five_points=tuple((i + 0.5, 2.0 * i) for i in range(5)),
    label=1,
    class_name='glücklich, froh',
    scores={'wütend': 0.25, 'glücklich, froh': 0.75},
    patches=KeptPatches((2, 2), {'app': (0, 3), 'layers.1': (3,)}),
)
OTHER = replace(FACE, patches=None, five_points=None, detection_score=None, label=0)
RESULTS = (
    ImageResult('a "b".jpg', 'faces', width=100, height=80, faces=(FACE, OTHER)),
    ImageResult('film.mp4', 'no face', 'no face', frame=3, time=0.12, width=100, height=80),
    ImageResult('broken.jpg', 'unreadable', 'the file is empty'),
)
CLASSES = tuple(FACE.scores)


def write(writer):
    with writer:
        for result in RESULTS:
            writer.write(result)


def rows(path):
    with open(path, encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


class TestResults:
    def test_dicts_and_back(self):
        for result in RESULTS:
            assert ImageResult.from_dict(result.to_dict()) == result

    def test_dicts_are_plain_json_without_none(self):
        assert RESULTS[2].to_dict() == dict(
            source='broken.jpg', status='unreadable', reason='the file is empty', faces=[]
        )
        face = json.loads(json.dumps(RESULTS[0].to_dict()))['faces'][1]
        assert 'age' not in face and face['scores'] == FACE.scores

    def test_they_do_not_change(self):
        with pytest.raises(FrozenInstanceError):
            FACE.label = 2
        assert FACE.score == 0.75 and replace(FACE, class_name=None).score is None

    def test_unknown_keys(self):
        with pytest.raises(ValueError, match='ImageResult.*color'):
            ImageResult.from_dict(dict(source='a', status='faces', color=1))
        with pytest.raises(ValueError, match='FaceResult.*crop_size'):
            faces = [dict(box=(0, 0, 1, 1), crop_map=())]
            ImageResult.from_dict(dict(source='a', status='faces', faces=faces))


class TestJsonLines:
    def test_round_trip(self, tmp_path):
        write(JsonLinesWriter(tmp_path / 'new/results.jsonl'))
        assert tuple(read_json_lines(tmp_path / 'new/results.jsonl')) == RESULTS

    def test_other_lines(self, tmp_path):
        path = tmp_path / 'results.jsonl'
        for line in ('{', '[1]', '{"source": "a"}'):
            path.write_text(json.dumps(RESULTS[2].to_dict()) + f'\n{line}\n')
            with pytest.raises(ValueError, match='results.jsonl, line 2'):
                list(read_json_lines(path))


class TestCsv:
    def test_one_row_per_face_or_image_without_a_face(self, tmp_path):
        write(CsvWriter(tmp_path / 'results.csv', 'expression', CLASSES))
        one, two, none, broken = rows(tmp_path / 'results.csv')
        assert [float(one[key]) for key in ('x1', 'y1', 'x2', 'y2')] == list(FACE.box)
        points = [(float(one[f'{n}_x']), float(one[f'{n}_y'])) for n in POINT_NAMES]
        assert tuple(points) == FACE.five_points
        assert one['class_name'] == FACE.class_name and one['score_wütend'] == '0.25'
        assert (one['source'], one['face'], two['face']) == ('a "b".jpg', '0', '1')
        assert two['nose_x'] == two['detection_score'] == ''
        assert (none['frame'], none['time'], none['status']) == ('3', '0.12', 'no face')
        assert (broken['status'], broken['reason']) == ('unreadable', 'the file is empty')
        assert none['face'] == none['x1'] == none['score'] == broken['width'] == ''

    def test_other_tasks_have_other_columns(self, tmp_path):
        plain = dict(box=FACE.box, crop_map=FACE.crop_map, crop_size=(32, 32))
        for task, options, face, expected in (
            ('age', {}, dict(age=41.5), dict(age='41.5')),
            (
                *('landmarks', dict(num_points=2), dict(points=((1.0, 2.0), (3.0, 4.5)))),
                dict(x_0='1.0', y_0='2.0', x_1='3.0', y_1='4.5'),
            ),
            (
                *('expression', dict(classes=('a',), action_units=('AU1',))),
                dict(label=0, class_name='a', scores={'a': 1.0}, action_units={'AU1': 0.5}),
                dict(label='0', class_name='a', score='1.0', score_a='1.0', score_AU1='0.5'),
            ),
            (
                *('valence_arousal', dict(valence_arousal=True), dict(valence=-0.5, arousal=0.25)),
                dict(valence='-0.5', arousal='0.25'),
            ),
            (
                *('classification', dict(classes=('a',), valence_arousal=True)),
                dict(label=0, class_name='a', scores={'a': 1.0}, valence=0.0, arousal=1.0),
                dict(label='0', class_name='a', score='1.0', score_a='1.0')
                | dict(valence='0.0', arousal='1.0'),
            ),
        ):
            path = tmp_path / f'{task}.csv'
            with CsvWriter(path, task, **options) as writer:
                face = FaceResult(**plain, **face)
                writer.write(ImageResult('a', 'faces', faces=(face,)))
            (row,) = rows(path)
            said = dict(list(row.items())[list(row).index('right_mouth_y') + 1 :])
            assert said == expected


def test_a_full_disk_leaves_whole_lines(tmp_path):
    """Simulated by a file size limit, which also allows partial writes."""
    path = tmp_path / 'results.jsonl'
    program = f"""
import resource, signal
from mmfer.inference.writers import *
from mmfer.inference.results import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with JsonLinesWriter({str(path)!r}) as writer:
    try:
        for frame in range(100):
            writer.write(ImageResult('film.mp4', 'no face', 'nobody', frame=frame))
    except OSError as error:
        print(error)
"""
    done = run_python('-c', program)
    assert done.stdout.strip() == f"[Errno 27] File too large: '{path}'", done.stderr
    assert 0 < path.stat().st_size < 1000
    frames = [result.frame for result in read_json_lines(path)]
    assert frames == list(range(len(frames))) and len(frames) > 5


@pytest.mark.skipif(os.name != 'posix', reason='only there names of files are bytes')
def test_file_names_that_are_not_utf8(tmp_path):
    """A file name in Latin-1 from another machine."""
    result = ImageResult(os.fsdecode(b'm\xfcde.jpg'), 'no face', 'no face')
    for writer in (
        JsonLinesWriter(tmp_path / 'a.jsonl'),
        CsvWriter(tmp_path / 'a.csv', 'expression', CLASSES),
    ):
        with writer:
            writer.write(result)
    assert tuple(read_json_lines(tmp_path / 'a.jsonl')) == (result,)
    assert [row['source'] for row in rows(tmp_path / 'a.csv')] == [r'm\udcfcde.jpg']


def test_a_disk_that_is_full_at_once_leaves_an_empty_file(tmp_path, monkeypatch):
    """Also if an earlier run left a longer file."""
    path = tmp_path / 'results.jsonl'
    path.write_bytes(b'{}\n' * 50)
    with JsonLinesWriter(path) as writer:

        def write(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(writer._file, 'write', write)
        with pytest.raises(OSError, match='No space left'):
            writer.write(RESULTS[0])
    assert path.read_bytes() == b''


def test_two_runs_do_not_write_one_file(tmp_path):
    path = tmp_path / 'results.jsonl'
    with JsonLinesWriter(path) as first:
        first.write(RESULTS[0])
        with pytest.raises(OSError, match='in use by process .*results.jsonl'):
            JsonLinesWriter(path)
        first.write(RESULTS[1])
    assert tuple(read_json_lines(path)) == RESULTS[:2]
    with JsonLinesWriter(path) as second:
        second.write(RESULTS[2])
    assert tuple(read_json_lines(path)) == RESULTS[2:]
    assert os.listdir(tmp_path) == ['results.jsonl'], 'without the lock'


@pytest.mark.parametrize('name', ['a.jpg', 'ä.jpg'])
def test_an_incomplete_line_is_skipped(tmp_path, name):
    """Also if it ends in the middle of a character."""
    path = tmp_path / 'results.jsonl'
    with JsonLinesWriter(path) as writer:
        writer.write(RESULTS[0])
        end = path.stat().st_size
        writer.write(replace(RESULTS[1], source=name))
    content = path.read_bytes()
    for length in range(end, len(content)):
        path.write_bytes(content[:length])
        assert tuple(read_json_lines(path)) == RESULTS[:1]


@pytest.mark.skipif(os.name != 'posix', reason='has no such locks')
@pytest.mark.parametrize('code', [errno.ENOSYS, errno.EOPNOTSUPP])
def test_folders_without_locks(tmp_path, monkeypatch, code):
    """Some file systems of clusters have no locks."""

    def flock(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr('fcntl.flock', flock)
    with pytest.warns(UserWarning, match='no locks'):
        write(JsonLinesWriter(tmp_path / 'results.jsonl'))
    assert tuple(read_json_lines(tmp_path / 'results.jsonl')) == RESULTS


@pytest.mark.parametrize('kind', ['csv', 'jsonl'])
def test_a_killed_run_leaves_all_but_its_last_image_whole(kind, tmp_path):
    """A write may be interrupted; only complete lines are read."""
    path = tmp_path / f'results.{kind}'
    program = f"""
from mmfer.inference.writers import *
from mmfer.inference.results import *
face = FaceResult((0, 0, 1, 1), ((1, 0, 0), (0, 1, 0)), (8, 8), label=0, class_name='a',
                  scores=dict(a=1.0))
writer = CsvWriter({str(path)!r}, 'expression', ['a']) if {kind!r} == 'csv' else (
    JsonLinesWriter({str(path)!r}))
frame = 0
while True:
    writer.write(ImageResult('film.mp4', 'faces', frame=frame, faces=(face,) * 50))
    frame += 1
"""
    command = [sys.executable, '-W', 'ignore', '-c', program]

    def much_is_written():
        return path.exists() and path.stat().st_size > 300_000

    assert stop_when(much_is_written, command, signal.SIGKILL)[0] == -signal.SIGKILL
    if kind == 'csv':
        content = path.read_bytes()
        path.write_bytes(content[: content.rfind(b'\n') + 1])
        assert len(content) - path.stat().st_size < 1000  # at most a line
        frames = [int(row['frame']) for row in rows(path)]
        assert frames == [index // 50 for index in range(len(frames))]
    else:
        results = list(read_json_lines(path))
        assert len(results) >= path.read_bytes().count(b'\n') > 0
        assert [result.frame for result in results] == list(range(len(results)))


class TestAnnotatedFiles:
    IMAGE = np.full((80, 100, 3), 128, np.uint8)

    def write(self, folder, *names, frames=0):
        with AnnotatedFiles(folder) as files:
            for name in names:
                for frame in range(frames) if frames else [None]:
                    item = InputImage(name, name, self.IMAGE, frame=frame, frame_rate=12.0)
                    result = replace(RESULTS[0], source=name, frame=frame)
                    path = files.write(item, result)
        return path

    def test_images_keep_their_path_and_format(self, tmp_path):
        self.write(tmp_path, 'a.png', 'sub/a.jpeg', 'a.jpg', 'a.bmp')
        found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob('*.*'))
        assert found == ['a.jpg', 'a.png', 'a_2.png', 'sub/a.jpg']
        image = cv2.imread(str(tmp_path / 'a.png'))
        assert image.shape == self.IMAGE.shape and (image != self.IMAGE).any()

    def test_videos(self, tmp_path):
        self.write(tmp_path, 'one.avi', 'two.mov', frames=5)
        assert sorted(os.listdir(tmp_path)) == ['one.mp4', 'two.mp4']
        frames = list(read_images(tmp_path / 'two.mp4'))
        assert len(frames) == 5 and frames[0].frame_rate == pytest.approx(12)
        assert frames[0].image.shape == self.IMAGE.shape
        assert np.abs(frames[4].image.astype(int) - self.IMAGE).max() > 60

    @pytest.mark.parametrize('name', [251 * 'a' + '.avi', 'film %03d ä.avi'])
    def test_names_of_videos(self, tmp_path, monkeypatch, name):
        """As long as file systems allow; in a folder with a colon, as in URLs."""
        monkeypatch.chdir(tmp_path)
        path = self.write('12:30', name, frames=2)
        assert os.listdir(tmp_path / '12:30') == [path.name]
        assert path.stem == name[:-4] and len(list(read_images(path))) == 2

    def test_a_video_has_its_name_when_it_is_complete(self, tmp_path):
        with AnnotatedFiles(tmp_path) as files:
            for frame in range(3):
                item = InputImage('a.avi', 'a.avi', self.IMAGE, frame=frame, frame_rate=5.0)
                files.write(item, RESULTS[0])
                assert not (tmp_path / 'a.mp4').exists()
        assert os.listdir(tmp_path) == ['a.mp4']

    @pytest.mark.skipif(os.name != 'posix', reason='needs SIGKILL')
    def test_what_a_killed_run_left_is_replaced(self, tmp_path):
        program = f"""
import os, signal
import numpy as np
from mmfer.inference.annotated_files import AnnotatedFiles
from mmfer.inference.images import InputImage
from mmfer.inference.results import ImageResult
files = AnnotatedFiles({str(tmp_path)!r})
gray = np.full((80, 100, 3), 128, np.uint8)
image = InputImage('a.avi', 'a.avi', gray, frame=0, frame_rate=5.0)
files.write(image, ImageResult('a.avi', 'no face', frame=0))
os.kill(os.getpid(), signal.SIGKILL)
"""
        killed = run_python('-c', program)
        assert killed.returncode == -signal.SIGKILL
        (left,) = os.listdir(tmp_path)
        assert left.startswith('.')
        self.write(tmp_path, 'a.avi', frames=3)
        assert os.listdir(tmp_path) == ['a.mp4']
        assert len(list(read_images(tmp_path / 'a.mp4'))) == 3

    def test_half_a_video_on_a_full_disk_is_no_file(self, tmp_path):
        program = f"""
import resource, signal
import numpy as np
from mmfer.inference.annotated_files import AnnotatedFiles
from mmfer.inference.images import InputImage
from mmfer.inference.results import ImageResult
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0).integers(0, 255, (80, 100, 3), np.uint8)
try:
    with AnnotatedFiles({str(tmp_path)!r}) as files:
        for frame in range(50):
            image = InputImage('a.avi', 'a.avi', noise, frame=frame, frame_rate=5.0)
            files.write(image, ImageResult('a.avi', 'no face', frame=frame))
except OSError as error:
    print(error)
"""
        done = run_python('-c', program)
        expected = f'could not write {tmp_path / "a.mp4"}; is the disk full?'
        assert done.stdout.strip() == expected, done.stderr
        assert os.listdir(tmp_path) == []

    def test_unreadable_images_make_no_file(self, tmp_path):
        with AnnotatedFiles(tmp_path / 'out') as files:
            assert files.write(InputImage('broken.jpg', 'broken.jpg'), RESULTS[2]) is None
        assert not (tmp_path / 'out').exists()
