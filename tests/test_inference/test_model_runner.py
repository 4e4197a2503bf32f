# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from task_models import KINDS, SIZE, write_task

from mmfer.datasets import EXPRESSIONS
from mmfer.evaluation.finite_predictions import NonFinitePredictionError
from mmfer.inference.model_runner import ModelRunner, pack_images
from mmfer.inference.split_loader import build_split_loader
from mmfer.registry import DATASETS


def read(paths, num=None, cfg_options=()):
    """A runner, and the loader of its test split."""
    runner = ModelRunner.from_files(*paths, cfg_options)
    return runner, build_split_loader(runner.cfg, num=num)


def network_input(loader, index):
    """An image as the input of the network, without the code under test."""
    image = loader.dataset.dataset[index]['inputs'].flip(0).float()
    return ((image - 127.5) / 127.5)[None]


@pytest.mark.parametrize('adapter', [False, True])
@torch.no_grad()
def test_inspections_are_the_models_in_the_datasets_order(tmp_path, adapter):
    runner, loader = read(write_task(tmp_path, 'expression', adapter))
    faces = list(runner.inspect_all(loader))
    assert [face.index for face in faces] == list(range(12))
    model = runner.model
    for face in faces[::4]:
        x = network_input(loader, face.index)
        feats = model.extract_feat(x)
        np.testing.assert_allclose(face.adapted, feats[-1][0], atol=1e-5)
        np.testing.assert_allclose(face.encoded, model.backbone(x)[-1].mean((2, 3))[0], atol=1e-5)
        scores = model.head(feats).softmax(1)[0]
        torch.testing.assert_close(face.sample.pred_score, scores, atol=1e-5, rtol=1e-5)
        assert face.sample.img_path == f'synthface://test/{face.index}' and not face.kept
    assert np.array_equal(faces[0].encoded, faces[0].adapted) == (not adapter)


def test_images_are_rgb(tmp_path):
    runner, loader = read(write_task(tmp_path, 'age'), 1)
    (face,) = runner.inspect_all(loader)
    assert face.image.shape == (SIZE, SIZE, 3) and face.image.dtype == np.uint8
    stored = DATASETS.build(dict(runner.cfg.test_dataloader.dataset, pipeline=[]))[0]['img']
    np.testing.assert_array_equal(face.image, stored[..., ::-1])


@pytest.mark.parametrize(('num', 'indices'), [(1, [0]), (3, [0, 6, 11]), (50, list(range(12)))])
def test_a_part_is_spread_evenly(tmp_path, num, indices):
    runner, loader = read(write_task(tmp_path, 'landmarks'), num)
    assert [face.index for face in runner.inspect_all(loader)] == indices


def test_options_override_the_config(tmp_path):
    _, loader = read(
        write_task(tmp_path, 'age'), cfg_options=['test_dataloader.dataset.num_samples=2']
    )
    assert len(loader.dataset) == 2


def test_fields_that_a_sample_lacks_are_named(tmp_path):
    runner, loader = read(write_task(tmp_path, 'expression'))
    with pytest.raises(ValueError, match=r"gt_age .*test/0 .*algorithm_keys=\('gt_age',\)"):
        list(runner.inspect_all(loader, ('gt_label', 'gt_age')))
    with pytest.raises(ValueError, match='pred_age .*another task'):
        list(runner.inspect_all(loader, ('pred_age',)))


def test_splits_that_the_config_lacks_are_named(tmp_path):
    runner, _ = read(write_task(tmp_path, 'age'))
    with pytest.raises(ValueError, match=r"'val', only \['test'\]"):
        build_split_loader(runner.cfg, 'val')


def test_checkpoint_of_another_model_is_named(tmp_path):
    config, _ = write_task(tmp_path, 'age')
    _, other = write_task(tmp_path, 'landmarks')
    with pytest.raises(ValueError, match='landmarks.pth.*age.py'):
        ModelRunner.from_files(config, other)
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        ModelRunner.from_files(config, tmp_path / 'absent.pth')


def test_facts_about_a_model(tmp_path):
    known = {
        kind: ModelRunner.from_files(*write_task(tmp_path, **arguments))
        for kind, arguments in KINDS.items()
    }
    tasks = {kind: runner.task for kind, runner in known.items()}
    assert tasks == {kind: arguments['task'] for kind, arguments in KINDS.items()}
    assert known['apvit'].classes == known['kt-adapter'].classes == tuple(EXPRESSIONS)
    assert known['recognition'].classes == ('0', '1', '2') and known['age'].classes == ()
    assert known['landmarks'].num_points == 98 and known['age'].num_points == 0
    assert not any(runner.action_units for runner in known.values())
    found = [kind for kind, runner in known.items() if runner.valence_arousal]
    assert found == ['valence-arousal'] and known[found[0]].classes == ()
    for kind, runner in known.items():
        pools = 'apvit' in kind
        assert runner.patch_stages == (('app', 'layers.0', 'layers.1') if pools else ())


@pytest.mark.parametrize(
    ('number', 'names'), [(12, ('AU1', 'AU2')), (2, ('unit 0', 'unit 1')), (None, ('AU1', 'AU2'))]
)
def test_action_units_are_named_where_they_are_those_of_aff_wild2(tmp_path, number, names):
    config, _ = write_task(tmp_path, 'expression')
    head = {'type': 'ExpressionAUHead', 'num_classes': 7, 'in_channels': 16}
    head |= {} if number is None else {'num_units': number}
    config.write_text(f'{config.read_text()}\nmodel["head"] = {head}\n')
    runner = ModelRunner(Foreign(), Config.fromfile(config))
    assert runner.action_units[:2] == names and len(runner.action_units) == (number or 12)
    assert not runner.valence_arousal
    runner.cfg.model.head.update(num_units=0, valence_arousal=dict(type='ValenceArousalHead'))
    runner = ModelRunner(Foreign(), runner.cfg)
    assert runner.valence_arousal and runner.task == 'expression' and not runner.action_units


class Foreign(BaseModel):
    """Has a ``test_step`` and no modules, like an exported model."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        assert mode == 'predict'
        return [
            sample.set_pred_score(image.float().flatten()[:7].softmax(0))
            for image, sample in zip(inputs, data_samples, strict=True)
        ]


def test_any_model_with_a_test_step(tmp_path):
    known, loader = read(write_task(tmp_path, 'expression'))
    runner = ModelRunner(Foreign(), known.cfg)
    assert runner.classes == known.classes and runner.patch_stages == ()
    batch = next(iter(loader))
    scores = [sample.pred_score for sample in runner.predict(batch)]
    expected = batch['inputs'].float().flatten(1)[:, :7].softmax(1)
    torch.testing.assert_close(torch.stack(scores), expected)
    with pytest.raises(TypeError, match='Foreign'):
        runner.inspect(batch)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize(
    'field', ['pred_score', 'pred_age', 'pred_landmarks', 'pred_au', 'pred_valence_arousal', 'feat']
)
def test_predictions_that_are_not_finite_name_their_image(tmp_path, field, value):
    known, loader = read(write_task(tmp_path, 'expression'))

    class Broken(Foreign):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            samples = super().forward(inputs, data_samples, mode)
            broken = value if field == 'pred_age' else torch.tensor([[0.5, value]])
            samples[3].set_field(broken, field)
            return samples

    batch = next(iter(loader))
    runner = ModelRunner(Broken(), known.cfg)
    with pytest.raises(NonFinitePredictionError, match=f'{field} .*synthface://test/3') as error:
        runner.predict(batch)
    assert error.value.index == 3
    with pytest.raises(NonFinitePredictionError, match='image 3 of a batch'):
        runner.predict(pack_images(np.zeros((5, SIZE, SIZE, 3), np.uint8)))


def test_inspections_that_are_not_finite_name_their_image(tmp_path):
    runner, loader = read(write_task(tmp_path, 'expression'))
    next(runner.model.head.parameters()).data.fill_(torch.inf)
    with pytest.raises(NonFinitePredictionError, match='pred_score .*synthface://test/0'):
        list(runner.inspect_all(loader))


def test_packed_images():
    images = np.random.default_rng(0).integers(0, 255, (2, 5, 7, 3), np.uint8)
    batch = pack_images(images)
    assert batch['inputs'].shape == (2, 3, 5, 7) and len(batch['data_samples']) == 2
    np.testing.assert_array_equal(batch['inputs'][1, 2], images[1, ..., 2])


def test_images_may_come_as_a_list(tmp_path):
    runner, loader = read(write_task(tmp_path, 'expression', backbone='apvit'))
    batch = next(iter(loader))
    expected = [sample.pred_score for sample in runner.predict(batch)]
    listed = dict(batch, inputs=list(batch['inputs']))
    torch.testing.assert_close([sample.pred_score for sample in runner.predict(listed)], expected)
    faces = runner.inspect(listed)
    torch.testing.assert_close([face.sample.pred_score for face in faces], expected)
    assert [len(positions) for positions in faces[0].kept.values()] == [9, 4, 2]
