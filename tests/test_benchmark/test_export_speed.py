# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import itertools

import pytest
import torch
from mmengine.config import Config
from task_models import SIZE, write_task

from mmfer.benchmark import export_speed
from mmfer.benchmark.export_speed import measure_exports
from mmfer.deployment.exported import ExportedModel
from mmfer.deployment.untrained import random_model


class Constant(ExportedModel):
    """A model whose n-th call takes n seconds; ``now`` is the time."""

    def __init__(self, now):
        facts = dict(preprocessing=dict(mean=[0.0] * 3, std=[1.0] * 3, order='BGR'))
        super().__init__('input', ('scores',), facts, 'constant')
        self.now, self.seconds, self.seen = now, itertools.count(1), []

    def _run(self, inputs):
        self.seen.append(len(inputs))
        self.now[0] += next(self.seconds)
        return [torch.zeros(len(inputs), 7)]


@pytest.fixture
def model(tmp_path):
    return random_model(Config.fromfile(write_task(tmp_path, 'expression')[0]))


@pytest.fixture
def measure(model, monkeypatch):
    """Return a function that measures while a call in PyTorch takes ``seconds``."""

    def call(seconds):
        now, usual = [0.0], export_speed.torch_outputs

        def timed(folded, images):
            assert folded.backbone.deploy and not model.backbone.deploy
            now[0] += seconds
            return usual(folded, images)

        monkeypatch.setattr(export_speed, 'torch_outputs', timed)
        monkeypatch.setattr(export_speed, 'wall_clock', lambda: now[0])
        interleave = export_speed.interleave
        monkeypatch.setattr(
            export_speed,
            'interleave',
            lambda runs, turns: interleave(runs, turns, clock=lambda: now[0]),
        )
        exported = Constant(now)
        (speed,) = measure_exports(model, {'a.onnx': exported}, (SIZE, SIZE))
        return speed, exported

    return call


def test_against_what_the_inferencer_runs(measure):
    speed, exported = measure(0.5)
    assert exported.seen == [8] * 6  # the first call is not timed
    assert (speed.name, speed.images, speed.threads) == ('a.onnx', 8, torch.get_num_threads())
    assert (speed.exported, speed.inferencer) == (4000, 500)  # the median of 2, 3, ... 6 seconds
    assert speed.speed_up == 0.5 / 4 and (speed.low, speed.high) == (0.5 / 6, 0.5 / 2)
    assert str(speed).startswith(
        'a.onnx: 0.12 times as fast as FaceInferencer on this machine (0.08'
    )
    assert '8 image(s) in 4000.0 ms instead of 500.0; ' in str(speed)


def test_slow_models_see_one_image(measure):
    speed, exported = measure(0.6)
    assert exported.seen == [1] * 6 and speed.images == 1
