# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch
from published import include
from task_models import SIZE, write_task

from mmfer import cli
from mmfer.apis import face_inferencer
from mmfer.apis.face_inferencer import FaceInferencer
from mmfer.apis.included_weights import checked_weights, included_model, introduce
from mmfer.apis.model_index import find_model, list_models, read_model_index
from mmfer.apis.models import get_model
from mmfer.apis.published_facts import published_facts
from mmfer.checkpoint import CheckpointError
from mmfer.datasets import EXPRESSIONS

NAME = 'expression-apvit'


@pytest.fixture
def weights(monkeypatch, tmp_path):
    return include(monkeypatch, tmp_path)


@pytest.fixture
def nothing(weights):
    """An index that lists weights that do not exist."""
    weights.unlink()
    return weights


def test_every_included_model_of_mmfer():
    """The index matches the weights, and the weights contain their facts."""
    for model in read_model_index().values():
        if model.weights is None:
            continue
        assert checked_weights(model) == model.weights
        about = published_facts(model.weights)
        assert about['facts']['training_data'] and about['licence'] != 'unspecified'
        assert get_model(model.name)._dataset_meta['classes'] == tuple(about['classes'])


def test_the_first_with_weights_is_the_default(weights):
    model = included_model()
    assert (model.name, model.weights) == (NAME, str(weights))
    assert not find_model('without-weights').included
    assert list_models() == [NAME, 'without-weights'] and list_models(included=True) == [NAME]
    line = introduce(model)
    assert NAME in line and '7 classes, trained on Drawn faces.' in line and '\n' not in line


def test_models_by_name(weights):
    named, from_file = get_model(NAME, allow_untrained=False), get_model(weights)
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        assert torch.equal(named(images)[-1], from_file(images)[-1])
    with pytest.raises(ValueError, match='--weights'):
        get_model('without-weights', allow_untrained=False)


def test_other_weights_than_those_of_the_index(weights, tmp_path):
    checked_weights(included_model())
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match='sha256'):
        get_model(NAME)
    _, other = write_task(tmp_path, 'expression', backbone='apvit')
    assert get_model(NAME, other)


def test_missing_weights(nothing):
    with pytest.raises(FileNotFoundError, match=f'{nothing.name}.*--weights'):
        get_model(NAME)
    with pytest.raises(ValueError, match='--model'):
        included_model()
    with pytest.raises(ValueError, match='--model'):
        FaceInferencer(detector=None)


def test_inferencer_without_a_model(weights, monkeypatch):
    said = []
    monkeypatch.setattr(face_inferencer, 'print_log', lambda message, logger: said.append(message))
    inferencer = FaceInferencer(detector=None, show_progress=False)
    assert said == [introduce(included_model())]
    assert inferencer.classes == EXPRESSIONS
    (result,) = inferencer(np.full((40, 40, 3), 90, np.uint8))
    assert result.faces[0].class_name in EXPRESSIONS
    with pytest.raises(ValueError, match='--model'):
        FaceInferencer(weights=weights, detector=None)


class TestCommands:
    def call(self, capsys, *words):
        status = cli.main([str(word) for word in words])
        return status, *capsys.readouterr()

    def test_predict(self, weights, tmp_path, capsys):
        cv2.imwrite(str(tmp_path / 'a.png'), np.full((40, 40, 3), 90, np.uint8))
        out = tmp_path / 'out'
        status, _, said = self.call(
            capsys, 'predict', tmp_path / 'a.png', '--aligned', '--out', out
        )
        assert status == 0 and introduce(included_model()) in said
        assert 'score_Happiness' in (out / 'results.csv').read_text()
        words = ('predict', tmp_path / 'a.png', '--aligned', '--out', out)
        status, _, said = self.call(capsys, *words, '--weights', weights)
        assert status == 2 and '--model' in said

    def test_without_included_weights(self, nothing, tmp_path, capsys):
        for words in (('predict', tmp_path, '--out', tmp_path.parent / 'out'), ('serve',)):
            status, _, said = self.call(capsys, *words, '--aligned')
            assert status == 2 and '--model' in said

    def test_models_are_marked(self, weights, capsys):
        _, said, _ = self.call(capsys, 'models')
        marked, other = said.splitlines()
        assert marked.endswith('Drawn  weights included') and other.endswith('Drawn')

    def test_facts(self, weights, capsys):
        for words in ((), (NAME,), (weights,)):
            status, said, _ = self.call(capsys, 'models', *words, '--facts')
            assert status == 0 and 'licence: CC0-1.0' in said and 'accuracy/top1: 14.29' in said
        for word in ('without-weights', 'no-such'):
            status, _, said = self.call(capsys, 'models', word, '--facts')
            assert status == 2 and word in said

    def test_a_terminal_is_safe_from_them(self, tmp_path, capsys):
        meta = dict(facts=dict(purpose='\x1b[2J\x9b2J\nsecond: line'))
        torch.save(dict(state_dict=dict(a=torch.ones(1)), meta=meta), tmp_path / 'a.pth')
        status, said, _ = self.call(capsys, 'models', tmp_path / 'a.pth', '--facts')
        assert status == 0 and not {'\x1b', '\x9b'} & set(said)
        assert not any(line.startswith('second') for line in said.splitlines())
        meta['facts']['purpose'] = torch.ones(1)
        torch.save(dict(state_dict=dict(a=torch.ones(1)), meta=meta), tmp_path / 'a.pth')
        assert self.call(capsys, 'models', tmp_path / 'a.pth', '--facts')[0] == 2
