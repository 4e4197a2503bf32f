# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import ast
import builtins
import importlib.util

import pytest

from mmfer import compatibility


@pytest.mark.parametrize(
    ('name', 'version'),
    [
        ('mmengine', '0.10.4'),
        ('mmengine', '0.11.0rc3'),
        ('mmcv', '2.2.0'),
        ('mmcv', '2.4.9.post1'),
        ('mmpretrain', '1.2.0'),
    ],
)
def test_versions_inside_the_windows(name, version):
    compatibility.check_version(name, version)


@pytest.mark.parametrize(
    ('name', 'version'),
    [
        ('mmengine', '0.10.3'),
        ('mmengine', '1.0.0'),
        ('mmengine', '1.0.0rc1'),
        ('mmcv', '1.7.2'),
        ('mmpretrain', '1.1.1'),
    ],
)
def test_versions_outside_say_how_to_mend_it(name, version):
    with pytest.raises(ImportError, match=f'found {name} {version}.*\n.*pip install'):
        compatibility.check_version(name, version)


@pytest.mark.parametrize('missing', ['mmpretrain', 'mmcv'])
def test_missing_package_says_how_to_mend_it(monkeypatch, missing):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == missing else real(name)
    )
    with pytest.raises(ImportError, match=f"No module named '{missing}'.*\n.*pip install"):
        compatibility.check_packages()


@pytest.mark.parametrize('name', compatibility.REQUIREMENTS)
def test_version_is_the_one_that_is_imported(name):
    assert compatibility.find_version(name) == importlib.import_module(name).__version__


def test_version_without_a_file_is_asked_of_the_package(monkeypatch, tmp_path):
    for name, content in (('plain_pkg', "__version__ = '1.2'"), ('filed_pkg', 'raise OSError')):
        (tmp_path / name).mkdir()
        (tmp_path / name / '__init__.py').write_text(content)
    (tmp_path / 'filed_pkg/version.py').write_text("import os\n__version__ = '3.4'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert compatibility.find_version('plain_pkg') == '1.2'
    assert compatibility.find_version('filed_pkg') == '3.4'


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (ImportError('libGL.so.1: cannot open it'), 'libGL.so.1.*\n.*opencv-python-headless'),
        (ModuleNotFoundError("No module named 'cv2'"), 'pip install "opencv-python>='),
    ],
)
def test_what_is_said_where_opencv_cannot_be_imported(monkeypatch, error, message):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == 'cv2':
            raise error
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', absent)
    with pytest.raises(ImportError, match=message):
        compatibility.check_packages()


def test_requirements_are_those_of_the_file(repo_root):
    lines = (repo_root / 'requirements/mminstall.txt').read_text().split()
    assert set(lines) == set(compatibility.REQUIREMENTS.values())


@pytest.mark.parametrize('version', ['4.8.1', '4.8.1.78', '4.10.0-dev', '5.0.0', '4.9.0rc1'])
def test_safe_versions_of_opencv(version):
    compatibility.check_opencv(version)


@pytest.mark.parametrize('version', ['4.8.0', '4.5.4', '3.4.20', '4.6.0-dev'])
def test_versions_of_opencv_with_known_holes_are_refused(monkeypatch, version):
    monkeypatch.setattr('cv2.__version__', version)
    with pytest.raises(ImportError, match=f'found OpenCV {version}.*\n.*pip install "opencv'):
        compatibility.check_packages()


def test_the_file_asks_for_the_same_opencv(repo_root):
    lines = (repo_root / 'requirements/runtime.txt').read_text().split()
    assert compatibility.OPENCV in lines
    assert all('>=' in line for line in lines if line in ('numpy', 'pillow', 'matplotlib'))


#: Modules of the standard library that Windows does not have.
POSIX = {'crypt', 'fcntl', 'grp', 'posix', 'pty', 'pwd', 'resource', 'syslog', 'termios', 'tty'}


@pytest.mark.parametrize('folder', ['mmfer', 'tools', 'tests'])
def test_modules_of_one_system_are_imported_where_they_are_used_or_in_a_try(repo_root, folder):
    for path in sorted((repo_root / folder).rglob('*.py')):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not POSIX.intersection(names), f'{path}:{node.lineno}'
