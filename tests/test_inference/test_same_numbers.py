# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A trained model has the same outputs in every way to run it."""

import shutil
from functools import cache, partial

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from task_models import KINDS, write_task

from mmfer.analysis.attention import attended_faces
from mmfer.analysis.pooling import face_batches, pooled_faces
from mmfer.apis.face_inferencer import FaceInferencer
from mmfer.apis.models import get_model
from mmfer.apis.publish_model import publish_model
from mmfer.deployment.aot import export_package
from mmfer.deployment.exported import ONNX_PACKAGES, AotModel, OnnxModel
from mmfer.deployment.load import load_for_export
from mmfer.deployment.onnx import export_onnx
from mmfer.inference.load_model import load_model
from mmfer.inference.model_runner import ModelRunner
from mmfer.inference.split_loader import build_split_loader
from mmfer.registry import DATASETS
from mmfer.utils.reparameterize import merge_branches

NUM = 6
FIELDS = {
    'pred_score': 'scores',
    'pred_age': 'age',
    'pred_landmarks': 'points',
    'pred_valence_arousal': 'place',
    'feat': 'feature',
}


def numbers_of(sample):
    """The predictions in a data sample."""
    return {
        name: np.asarray(sample.get(field), float)
        for field, name in FIELDS.items()
        if field in sample
    }


@torch.no_grad()
def slow_reference(runner):
    """Image by image, through backbone, neck and head by hand."""
    model, dataset = runner.model, DATASETS.build(runner.cfg.test_dataloader.dataset)
    rows = []
    for index in np.linspace(0, len(dataset) - 1, NUM).round().astype(int):
        image = dataset[int(index)]['inputs'].flip(0)[None].float()
        feats = model.backbone((image - 127.5) / 127.5)
        feats = model.neck(feats) if model.with_neck else feats
        output = model.head(feats)[0]
        numbers = dict(age='age', landmarks='points', valence_arousal='place')
        if runner.task in numbers:
            rows.append({numbers[runner.task]: np.asarray(output)})
            continue
        rows.append(dict(scores=np.asarray(output.softmax(0))))
        if runner.task == 'recognition':
            rows[-1]['feature'] = np.asarray(feats[-1][0])
    return rows


# Ways to run a model: config and checkpoint -> the numbers for each image -----------------------


def by_test_step(config, checkpoint):
    runner = ModelRunner.from_files(config, checkpoint)
    return run_split(runner)


def run_split(runner):
    """Any model with a ``test_step``, over the split."""
    loader = build_split_loader(runner.cfg, num=NUM)
    return [numbers_of(sample) for batch in loader for sample in runner.predict(batch)]


def by_inspection(config, checkpoint):
    runner = ModelRunner.from_files(config, checkpoint)
    loader = build_split_loader(runner.cfg, num=NUM)
    return [numbers_of(face.sample) for face in runner.inspect_all(loader)]


def by_folded(config, checkpoint):
    runner = ModelRunner.from_files(config, checkpoint)
    assert merge_branches(runner.model)
    return run_split(runner)


def by_published(config, checkpoint):
    path = publish_model(config, checkpoint, checkpoint.with_name('published.safetensors'))
    model = get_model(path)
    return run_split(ModelRunner(model, model._config, dict(dataset_meta=model._dataset_meta)))


def by_onnx(config, checkpoint):
    return run_split(exported(config, checkpoint, export_onnx, OnnxModel))


def by_onnx_inferencer(config, checkpoint):
    runner = exported(config, checkpoint, export_onnx, OnnxModel)
    runner.model._config = runner.cfg
    return inferred(FaceInferencer(runner.model, detector=None, show_progress=False))


def by_package(config, checkpoint):
    return run_split(exported(config, checkpoint, export_package, AotModel))


@cache
def exported(config, checkpoint, export, read):
    if read is OnnxModel:
        for name in ONNX_PACKAGES:
            pytest.importorskip(name)
    loaded = load_for_export(str(config), str(checkpoint))
    content = export(loaded.model, loaded.size, loaded.facts())
    return ModelRunner(read(content), loaded.cfg, loaded.meta)


def by_inferencer(config, checkpoint):
    """The faces are already cropped; loaded models are merged."""
    return inferred(FaceInferencer(config, checkpoint, 'cpu', None, show_progress=False))


def by_inferencer_as_trained(config, checkpoint):
    model = get_model(config, checkpoint)
    return inferred(FaceInferencer(model, detector=None, show_progress=False))


def by_inferencer_with_patches(config, checkpoint):
    inferencer = FaceInferencer(config, checkpoint, 'cpu', None, show_progress=False)
    return inferred(inferencer, patches=True)


def inferred(inferencer, **options):
    dataset = build_split_loader(inferencer.cfg, num=NUM).dataset
    images = [sample['inputs'].permute(1, 2, 0).numpy() for sample in dataset]
    rows = []
    for result in inferencer(images, batch_size=4, **options):
        (face,) = result.faces
        row = dict(age=face.age, points=face.points, feature=face.feature)
        row['place'] = None if face.valence is None else (face.valence, face.arousal)
        row['scores'] = list(face.scores.values()) if face.scores else None
        rows.append({name: np.asarray(value) for name, value in row.items() if value is not None})
    return rows


def by_pooling_tool(config, checkpoint):
    return drawn(ModelRunner.from_files(config, checkpoint), pooled_faces)


def by_attention_tool(config, checkpoint):
    # Attribution is an error for a model with a neck; both methods have the same predictions.
    rolled_out = partial(attended_faces, method='rollout')
    return drawn(ModelRunner.from_files(config, checkpoint), rolled_out)


def drawn(runner, find):
    batches = face_batches(runner, NUM)
    faces = [face for batch in batches for face in find(runner, batch)]
    return [dict(best=(runner.classes.index(f.prediction), f.confidence)) for f in faces]


ENTRIES = [
    *(by_test_step, by_inspection, by_folded, by_published),
    *(by_inferencer, by_inferencer_as_trained),
    *(by_onnx, by_onnx_inferencer),
]
#: Compiling takes minutes, and the compiler gets the same graph as ONNX does.
COMPILED = ('kt-adapter-to-apvit',)
#: For models whose backbone returns token positions, and whether it has pooling.
WITH_INDICES = [by_pooling_tool, by_attention_tool]
WITH_POOLINGS = [by_inferencer_with_patches]
WAYS = [
    (kind, entry)
    for kind in KINDS
    for entry in (
        *ENTRIES,
        *(WITH_INDICES if 'apvit' in kind or kind == 'transfer' else ()),
        *([by_package] if kind in COMPILED and shutil.which('g++') else ()),
        *(WITH_POOLINGS if 'apvit' in kind else ()),
    )
]


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Config, checkpoint and expected numbers by kind."""
    made = {}
    with DefaultScope.overwrite_default_scope('mmfer'):
        for kind, arguments in KINDS.items():
            paths = write_task(tmp_path_factory.mktemp(kind), **arguments)
            made[kind] = paths, slow_reference(ModelRunner.from_files(*paths))
    return made


@pytest.mark.parametrize(('kind', 'entry'), WAYS)
def test_every_way_has_the_same_outputs(models, kind, entry):
    paths, expected = models[kind]
    found = entry(*paths)
    assert len(found) == len(expected) == NUM
    for row, reference in zip(found, expected, strict=True):
        assert row.keys() == ({'best'} if entry in WITH_INDICES else reference.keys())
        if 'best' in row:
            best = int(reference['scores'].argmax())
            reference = dict(best=(best, reference['scores'][best]))
        for name, value in row.items():
            # Results of inference are rounded: scores to 1e-6, ages to 0.01, points to 0.001.
            tolerance = dict(age=0.006, points=2e-3).get(name, 2e-5)
            np.testing.assert_allclose(value, reference[name], rtol=1e-4, atol=tolerance)


def test_the_outputs_of_two_images_differ(models):
    """Otherwise the comparison would be trivial."""
    for kind, (_, rows) in models.items():
        name = next(iter(rows[0]))
        assert not np.allclose(rows[0][name], rows[-1][name], rtol=1e-4, atol=1e-4), kind


@torch.no_grad()
def test_the_adapter_makes_a_difference(models):
    """A way that omits the neck would be detected."""
    (config, checkpoint), expected = models['kt-adapter-to-apvit']
    runner = ModelRunner.from_files(config, checkpoint)
    model, _ = load_model(runner.cfg, checkpoint)
    model.neck = None
    rows = run_split(ModelRunner(model, runner.cfg))
    pairs = zip(rows, expected, strict=True)
    assert all(abs(a['scores'] - b['scores']).max() > 1e-3 for a, b in pairs)
