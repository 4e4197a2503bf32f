# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The tools that draw predictions of a trained model."""

import weakref

import cv2
import pytest
from task_models import write_task
from tool_calls import run_tool

from mmfer.inference.model_runner import ModelRunner


@pytest.fixture
def call(tmp_path):
    """Run a tool; return the figure and the printed text."""

    def _call(tool, *arguments):
        out = tmp_path / 'figure.png'
        done = run_tool(f'visualization/{tool}.py', *arguments, '--out', out)
        assert done.returncode == 0, done.stderr
        return cv2.imread(str(out)), done.stdout

    return _call


def refuse(tool, *arguments):
    """Run a tool that fails; return the exit status and the message."""
    done = run_tool(f'visualization/{tool}.py', *arguments)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ('tool', 'task', 'said'),
    [
        ('vis_features', 'expression', '12 faces'),
        ('vis_features', 'age', '12 faces'),
        ('vis_features', 'landmarks', '12 faces'),
        ('vis_landmarks', 'landmarks', '12 faces'),
        ('vis_age', 'age', '12 faces'),
        ('vis_valence_arousal', 'valence_arousal', '12 faces'),
        ('vis_roc', 'recognition', '1 ROC curves'),
    ],
)
def test_every_tool_draws_its_task(call, tmp_path, tool, task, said):
    image, printed = call(tool, *write_task(tmp_path, task))
    assert said in printed
    assert min(image.shape[:2]) > 300 and image.std() > 10


def test_features_before_and_after_the_adapter(call, tmp_path):
    alone, _ = call('vis_features', *write_task(tmp_path, 'recognition'))
    both, _ = call('vis_features', *write_task(tmp_path, 'recognition', adapter=True))
    assert both.shape[1] - alone.shape[1] == 5 * 150  # one panel more


def test_features_of_several_models(call, tmp_path):
    baseline = write_task(tmp_path, 'recognition')
    adapter = write_task(tmp_path, 'recognition', adapter=True)
    two, printed = call('vis_features', *baseline, '--versus', *adapter)
    assert '12 faces' in printed
    more = ('--versus', *adapter, '--versus', *baseline, '--labels', *'abc', '--max-classes', 2)
    three, printed = call('vis_features', *baseline, *more)
    assert '12 faces' not in printed and three.shape[1] - two.shape[1] == 5 * 150


def test_colors_of_features(call, tmp_path):
    paths = write_task(tmp_path, 'age')
    by_age, _ = call('vis_features', *paths)
    by_label, _ = call('vis_features', *paths, '--color', 'label')
    assert not (by_age == by_label).all()
    paths = write_task(tmp_path, 'expression')
    status, message = refuse('vis_features', *paths, '--color', 'age')
    assert status == 1 and 'Traceback' not in message
    assert message.splitlines()[-1].startswith('error: gt_age is needed')


def test_worst_landmarks(call, tmp_path):
    paths = write_task(tmp_path, 'landmarks')
    image, printed = call('vis_landmarks', *paths, '--worst', '3', '--per-row', '3', '--lines')
    assert '3 faces' in printed
    assert image.shape[1] > 1.5 * image.shape[0]


def test_roc_of_two_models_and_of_a_pairs_file(call, tmp_path):
    baseline = write_task(tmp_path, 'recognition')
    adapter = write_task(tmp_path, 'recognition', adapter=True)
    _, printed = call('vis_roc', *baseline, '--versus', *adapter, '--far', '0.1', '0.3')
    assert 'recognition: TAR' in printed and 'recognition-adapter: TAR' in printed
    assert '% at FAR 0.3' in printed and '2 ROC curves' in printed
    pairs = tmp_path / 'pairs.txt'
    pairs.write_text('test/0 test/1 1\ntest/2 test/3 0\ntest/4 test/5 0\n')
    image, _ = call('vis_roc', *baseline, '--pairs-file', pairs)
    assert image is not None


def test_curves_have_unique_names(call, tmp_path):
    """Configs in different folders may have the same name, and so may checkpoints."""
    config, checkpoint = write_task(tmp_path, 'recognition')
    configs = [tmp_path / name / config.name for name in 'abc']
    for path in configs:
        path.parent.mkdir()
        path.write_text(config.read_text())
    others = [word for path in configs for word in ('--versus', path, checkpoint)]
    _, printed = call('vis_roc', config, checkpoint, *others)
    assert '4 ROC curves' in printed


def test_number_of_images_and_overrides(call, tmp_path):
    paths = write_task(tmp_path, 'age')
    assert '5 faces' in call('vis_age', *paths, '--num', 5)[1]
    option = 'test_dataloader.dataset.num_samples=7'
    assert '7 faces' in call('vis_age', *paths, '--cfg-options', option)[1]


def test_faces_without_valence_and_arousal_are_skipped(call, tmp_path):
    paths = write_task(tmp_path, 'valence_arousal')
    share = 'test_dataloader.dataset.single_task={}'
    _, printed = call('vis_valence_arousal', *paths, '--cfg-options', share.format(1))
    drawn, skipped = (int(word) for word in printed.split() if word.isdecimal())
    assert 0 < drawn < 12 and drawn + skipped == 12
    options = ('--cfg-options', share.format(1), 'test_dataloader.dataset.num_samples=1')
    options = (*options, 'test_dataloader.dataset.seed=1')
    status, message = refuse('vis_valence_arousal', *paths, *options)
    assert status == 1 and 'none of 1 faces' in message


@pytest.mark.parametrize(
    ('tool', 'arguments', 'message'),
    [
        ('vis_age', ['--theta', '0'], '--theta'),
        ('vis_roc', ['--far', '2'], '--far'),
        ('vis_landmarks', ['--worst', '0'], 'integer >= 1'),
        ('vis_features', ['--num', '-3'], 'integer >= 1'),
        ('vis_features', ['--color', 'red'], 'invalid choice'),
        ('vis_age', ['--out', 'ages.doc'], 'ages.doc: the name must end in one of'),
        ('vis_features', ['--versus', 'b.py', 'b.pth', '--labels', 'a'], '2 models but 1 --labels'),
        ('vis_features', ['--versus', 'config.py', 'b.pth'], "called 'config'"),
    ],
)
def test_wrong_arguments_are_errors_before_loading(tool, arguments, message):
    status, error = refuse(tool, 'config.py', 'model.pth', *arguments)
    assert status == 2 and message in error.splitlines()[-1]


def test_other_file_formats(tmp_path):
    config, checkpoint = write_task(tmp_path, 'age')
    out = tmp_path / 'ages.pdf'
    assert run_tool('visualization/vis_age.py', config, checkpoint, '--out', out).returncode == 0
    assert out.read_bytes().startswith(b'%PDF')


@pytest.mark.parametrize('task', ['age', 'features', 'landmarks', 'roc', 'valence_arousal'])
def test_missing_files_are_errors_in_one_line(tmp_path, task):
    config, checkpoint = write_task(tmp_path, 'age')
    for files in ((config, 'absent.pth'), ('absent.py', checkpoint)):
        status, message = refuse(f'vis_{task}', *files)
        assert status == 2 and 'Traceback' not in message
        last = message.splitlines()[-1]
        assert last.startswith('error: ') and 'absent' in last


@pytest.mark.parametrize('tool', ['vis_attention', 'vis_pooling'])
def test_errors_of_models_without_patches(tmp_path, tool):
    files = write_task(tmp_path, 'expression')
    status, message = refuse(tool, *files)
    assert status == 1 and message.splitlines()[-1].startswith('error: ')
    assert 'Traceback' not in message
    status, message = refuse(tool, files[0], 'absent.pth')
    assert status == 2 and message.splitlines()[-1].startswith('error: ')


def test_images_of_ages_are_not_kept(tmp_path, monkeypatch):
    seen = []

    def inspect_all(*arguments):
        for face in original(*arguments):
            seen.append(weakref.ref(face))
            yield face
        assert sum(face() is not None for face in seen) < 6  # a batch of 5, of 12 faces

    original = ModelRunner.inspect_all
    monkeypatch.setattr(ModelRunner, 'inspect_all', inspect_all)
    status, message = refuse('vis_age', *write_task(tmp_path, 'age'), '--out', tmp_path / 'a.png')
    assert status == 0 and len(seen) == 12, message
