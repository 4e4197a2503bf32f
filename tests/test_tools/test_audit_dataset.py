# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import sys

import pytest
from face_trees import write_folders, write_image
from rafdb_tree import write_rafdb
from tool_calls import ROOT, run_tool

CONFIG = ROOT / 'configs/_base_/datasets/rafdb_112.py'


def run(*arguments, **options):
    return run_tool('misc/audit_dataset.py', *arguments, **options)


def rafdb_options(root):
    loaders = ('train_dataloader.dataset', 'val_dataloader', 'test_dataloader')
    return ['--cfg-options', *(f'{loader}.dataset.data_root={root}' for loader in loaders)]


def test_clean_config(tmp_path):
    root = write_rafdb(tmp_path / 'rafdb')
    done = run(CONFIG, *rafdb_options(root))
    assert done.returncode == 0, done.stderr
    assert 'clean: no leak' in done.stdout and 'val = test' in done.stdout
    assert 'the test set' in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ['rafdb']


def test_leak_of_a_config(tmp_path):
    root = write_rafdb(tmp_path / 'rafdb')
    images = root / 'basic/Image/aligned_224'
    shutil.copy(images / 'train_00001.jpg', images / 'test_0002.jpg')
    done = run(CONFIG, '--workers', 2, '--out', tmp_path / 'report', *rafdb_options(root))
    assert done.returncode == 1, done.stderr
    assert 'NOT CLEAN: 1 image in splits' in done.stdout
    assert 'labels differ: Happiness, Surprise' in done.stdout
    assert 'it contains images of faces' in done.stdout
    content = json.loads((tmp_path / 'report/report.json').read_text())
    assert [image['split'] for image in content['groups'][0]['images']] == [
        'train',
        'val = test',
    ]


def test_findings_that_are_failures_and_others(tmp_path):
    write_folders(tmp_path, {'a/happy': 3, 'b/sad': 2})
    shutil.copy(tmp_path / 'a/happy/00000.jpg', tmp_path / 'a/happy/again.jpg')
    sources = (f'one={tmp_path}/a', f'two={tmp_path}/b')
    done = run(*sources)
    assert done.returncode == 0, done.stderr
    assert 'several times in a split): 1' in done.stdout
    (tmp_path / 'b/sad/00001.jpg').write_bytes(b'')
    done = run(*sources)
    assert done.returncode == 1 and 'the file is empty' in done.stdout


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere names of files are text')
def test_file_names_that_are_not_text(tmp_path):
    """For example from archives of another machine."""
    write_folders(tmp_path, {'a': 2})
    shutil.copy(tmp_path / 'a/00000.jpg', tmp_path / 'a' / os.fsdecode(b'm\xfcde.jpg'))
    done = run(f'one={tmp_path}/a', '--out', tmp_path / 'report')
    assert done.returncode == 0, done.stderr
    assert r'm\udcfcde.jpg' in done.stdout
    for suffix in ('html', 'json'):
        content = (tmp_path / f'report/report.{suffix}').read_text(encoding='utf-8')
        assert r'm\udcfcde.jpg' in content


def test_a_leak_behind_a_link(tmp_path):
    """Data loaders follow links to folders."""
    write_folders(tmp_path, {'a/happy': 3, 'b/sad': 2, 'far': 1})
    shutil.copy(tmp_path / 'a/happy/00000.jpg', tmp_path / 'far/again.jpg')
    (tmp_path / 'b/happy').symlink_to(tmp_path / 'far')
    done = run(f'one={tmp_path}/a', f'two={tmp_path}/b')
    assert done.returncode == 1 and 'NOT CLEAN: 1 image in splits' in done.stdout


def test_one_folder_under_two_names(tmp_path):
    write_folders(tmp_path, {'a': 2})
    done = run(f'one={tmp_path}/a', f'two={tmp_path}/a')
    assert done.returncode == 1 and 'NOT CLEAN: 2 images in splits' in done.stdout


def test_names_of_several_configs(tmp_path):
    root = write_rafdb(tmp_path / 'rafdb', train=[4] * 20)
    other = tmp_path / 'other.py'
    other.write_text(f"test_dataloader = dict(dataset=dict(type='RAFDB', data_root='{root}'))\n")
    first = tmp_path / 'first.py'
    first.write_text(
        f"train_dataloader = dict(dataset=dict(type='RAFDB', data_root='{root}', val_ratio=.1))\n"
    )
    done = run(first, other)
    # One trains on the test set of the other.
    assert done.returncode == 1, done.stderr
    assert 'first:train' in done.stdout and 'other:test' in done.stdout
    assert 'NOT CLEAN: 18 images' in done.stdout


def test_disjoint_people(tmp_path):
    config = tmp_path / 'config.py'
    part = "dict(dataset=dict(type='SynthFace', num_samples=6, num_identities=1, split='{}'))"
    config.write_text(
        f'train_dataloader = {part.format("train")}\ntest_dataloader = {part.format("test")}\n'
    )
    done = run(config)
    assert done.returncode == 0, done.stderr
    assert 'train and test' in done.stdout
    done = run(config, '--disjoint-people')
    assert done.returncode == 1 and 'people are in two splits' in done.stderr


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('folder',), "'folder'"),
        (('a=nowhere',), "'nowhere' (a)"),
        (('nowhere.py',), 'nowhere.py'),
        ((CONFIG,), 'data/rafdb'),
        ((CONFIG, '--cfg-options', 'train_dataloder.x=1'), 'Did you mean'),
        (('a=.', '--workers', -1), '--workers'),
        ((), 'required'),
    ],
)
def test_wrong_use(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr.splitlines()[-1] and 'Traceback' not in done.stderr


def test_names_given_twice_and_a_file_in_the_way(tmp_path):
    write_image(tmp_path / 'a.jpg')
    done = run(f'x={tmp_path}', f'x={tmp_path}')
    assert done.returncode == 2 and "['x']" in done.stderr
    done = run(f'x={tmp_path}', '--out', tmp_path / 'a.jpg')
    assert done.returncode == 2 and 'a.jpg' in done.stderr


def test_findings_are_printed_if_the_report_cannot_be_written(tmp_path):
    write_folders(tmp_path, {'a': 2})
    (tmp_path / 'report/report.json').mkdir(parents=True)
    (tmp_path / 'report/report.html').mkdir()
    done = run(f'one={tmp_path}/a', '--out', tmp_path / 'report')
    assert done.returncode == 2 and 'report/report.' in done.stderr.splitlines()[-1]
    assert 'clean: no leak' in done.stdout
