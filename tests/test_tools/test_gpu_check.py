# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The GPU check with --small on any device, and the archive of FERPlus."""

import tarfile

import cv2
import numpy as np
import pytest
from tool_calls import load_tool, run_tool

VOTES = 'Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF'
PARTS = dict(Training='FER2013Train', PublicTest='FER2013Valid')


@pytest.fixture
def ferplus(tmp_path):
    """Four drawn images per split, two of them equal."""
    folder, rows = tmp_path / 'ferplus', [VOTES]
    for usage, part in PARTS.items():
        (folder / 'images' / part).mkdir(parents=True)
        for number in range(4):
            name = f'fer{len(rows):07}.png'
            image = np.random.randint(0, 256, (48, 48), np.uint8) if number else np.eye(48) * 99
            cv2.imwrite(str(folder / 'images' / part / name), image)
            rows.append(f'{usage},{name},{"9,1" if number % 2 else "1,9"},0,0,0,0,0,0,0,0')
    (folder / 'fer2013new.csv').write_text('\n'.join(rows))
    return folder


def test_an_archive_is_unpacked_unchanged(ferplus, tmp_path):
    archive, other = tmp_path / 'ferplus.tar.gz', tmp_path / 'other'
    done = run_tool('misc/pack_ferplus.py', 'pack', ferplus, archive)
    assert done.returncode == 0 and done.stdout.startswith('8 images'), done.stderr
    done = run_tool('misc/pack_ferplus.py', 'unpack', archive, other)
    assert done.returncode == 0 and done.stdout.startswith('8 images'), done.stderr
    for path in ferplus.rglob('*.png'):
        copy = other / path.relative_to(ferplus)
        assert np.array_equal(cv2.imread(str(copy), -1), cv2.imread(str(path), -1))
    assert (other / 'fer2013new.csv').read_bytes() == (ferplus / 'fer2013new.csv').read_bytes()


def test_names_that_lead_out_of_the_folder(ferplus, tmp_path, monkeypatch):
    tool = load_tool('misc/pack_ferplus.py')
    add = tool._add
    monkeypatch.setattr(
        tool, '_add', lambda tar, name, content: add(tar, name, content.replace(b'FER2013', b'../'))
    )
    tool.pack(ferplus, tmp_path / 'ferplus.tar.gz')
    with pytest.raises(ValueError, match=r'\.\.'):
        tool.unpack(tmp_path / 'ferplus.tar.gz', tmp_path / 'other')
    assert not list(tmp_path.glob('other/**/*.png'))


def test_other_archives_and_images(ferplus, tmp_path):
    archive = tmp_path / 'a.tar.gz'
    with tarfile.open(archive, 'w:gz') as tar:
        tar.add(ferplus / 'fer2013new.csv', 'fer2013new.csv')
    done = run_tool('misc/pack_ferplus.py', 'unpack', archive, tmp_path / 'other')
    assert done.returncode == 1 and 'pack_ferplus.py' in done.stderr
    cv2.imwrite(str(ferplus / 'images/FER2013Train/a.png'), np.zeros((48, 48, 3), np.uint8))
    done = run_tool('misc/pack_ferplus.py', 'pack', ferplus, archive)
    assert done.returncode == 1 and 'a.png' in done.stderr


def test_a_small_run(ferplus, tmp_path):
    """Unpacks, trains and prints the table, in separate processes as on a GPU."""
    archive, work_dir = tmp_path / 'ferplus.tar.gz', tmp_path / 'work'
    load_tool('misc/pack_ferplus.py').pack(ferplus, archive)
    words = ('--small', '--only', 'training', '--ferplus', archive, '--work-dir', work_dir)
    done = run_tool('misc/gpu_check.py', *words)
    assert done.returncode == 0, done.stdout
    (table,) = work_dir.glob('*/table.md')
    assert done.stdout.endswith(table.read_text() + '\n')
    unpacked, trained, tested = table.read_text().splitlines()[-3:]
    assert '8 images' in unpacked
    assert (
        'FERPlus val, majority' in trained and 'accuracy ' in trained and ' s an epoch' in trained
    )
    assert 'skipped' in tested


def test_a_step_that_fails(tmp_path, monkeypatch):
    tool = load_tool('misc/gpu_check.py')
    monkeypatch.setattr(tool, 'python', lambda *words: ['false'])
    words = ('--small', '--only', 'training', 'ratios', '--work-dir', tmp_path)
    done = run_tool('misc/gpu_check.py', *words)
    assert done.returncode == 1 and done.stdout.count('exit status 1') == 4  # and in the table


def test_arguments(tmp_path):
    done = run_tool('misc/gpu_check.py', '--small', '--ferplus', tmp_path / 'none')
    assert done.returncode == 1 and '--ferplus' in done.stderr
    assert run_tool('misc/gpu_check.py', '--only', 'everything').returncode == 2
