# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.models.losses import wing
from mmfer.registry import MODELS


def samples(**fields):
    """Data samples, one for each entry of the lists in ``fields``."""
    made = []
    for number, values in enumerate(zip(*fields.values(), strict=True)):
        sample = DataSample(metainfo=dict(img_path=f'faces/{number}.png'))
        for key, value in zip(fields, values, strict=True):
            sample.set_field(value, key)
        made.append(sample)
    return made


def age_head(**kwargs):
    head = MODELS.build(dict(type='AgeHead', in_channels=8, **kwargs))
    head.init_weights()
    return head


def landmark_head(**kwargs):
    head = MODELS.build(dict(type='LandmarkHead', in_channels=8, input_size=(64, 96), **kwargs))
    head.init_weights()
    return head


def force(head, outputs):
    """Let the network return ``outputs`` for any input."""
    last = head.layers[-1].fc
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.as_tensor(outputs, dtype=torch.float32).flatten()


@pytest.mark.parametrize(('hidden', 'widths'), [((), [8]), ((5,), [8, 5]), ((5, 6), [8, 5, 6])])
def test_hidden_layers_are_those_asked_for(hidden, widths):
    head = age_head(hidden_channels=hidden)
    assert [layer.fc.in_features for layer in head.layers] == widths
    assert [layer.act is not None for layer in head.layers] == [True] * len(hidden) + [False]


def test_untrained_age_head_predicts_the_mean_age():
    ages = age_head(mean_age=33.0)((torch.randn(50, 8),))
    assert ages.shape == (50,)
    assert (ages - 33).abs().max() < 1


def test_age_is_scaled_and_clamped_in_predictions_only():
    head = age_head(mean_age=40.0, age_scale=20.0, age_range=(1, 116))
    force(head, [-2.5])
    feats = (torch.randn(2, 8),)
    assert head(feats).tolist() == [-10, -10]
    predictions = head.predict(feats, samples(gt_age=[30.0, 31.0]))
    assert [sample.pred_age for sample in predictions] == [1, 1]
    assert type(predictions[0].pred_age) is float
    assert predictions[1].img_path == 'faces/1.png'
    loss = head.loss(feats, predictions)['loss']
    assert loss.item() == pytest.approx(wing(torch.tensor([40.0, 41.0])).mean().item())
    loss.backward()
    assert head.layers[-1].fc.bias.grad.abs() > 0


def test_ages_come_as_numbers_arrays_or_tensors():
    head = age_head()
    feats = (torch.randn(5, 8),)
    kinds = [30.5, 7, np.float32(61), np.array([90.0]), torch.tensor(12)]
    expected = wing(head(feats) - torch.tensor([30.5, 7, 61, 90, 12])).mean()
    assert head.loss(feats, samples(gt_age=kinds))['loss'].item() == pytest.approx(expected.item())


def test_untrained_landmark_head_predicts_the_center():
    points = landmark_head()((torch.randn(50, 8),))
    assert points.shape == (50, 98, 2)
    # The center of the pixels 0 .. 95 and 0 .. 63.
    assert (points - torch.tensor([47.5, 31.5])).abs().max() < 4


def test_landmarks_are_shares_of_the_image():
    head = landmark_head(num_points=2)
    force(head, [[-0.5, -0.5], [0.5, 0.5]])  # the corners of the image
    (sample,) = head.predict((torch.randn(1, 8),))
    assert sample.pred_landmarks.tolist() == [[-0.5, -0.5], [95.5, 63.5]]


def test_landmark_loss_is_in_pixels():
    head = landmark_head(num_points=4, loss=dict(type='WingLoss', reduction='sum'))
    target = np.random.default_rng(0).uniform(0, 60, (3, 4, 2)).astype(np.float32)
    feats = (torch.randn(3, 8),)
    expected = wing(head(feats) - torch.from_numpy(target)).sum((1, 2)).mean()
    loss = head.loss(feats, samples(gt_landmarks=list(target)))['loss']
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_learns_ages_and_points():
    feats = (torch.randn(16, 8),)
    points = [np.random.default_rng(i).uniform(0, 60, (4, 2)).astype(np.float32) for i in range(16)]
    data = samples(gt_age=list(np.linspace(1.0, 110, 16)), gt_landmarks=points)
    for head in (age_head(), landmark_head(num_points=4)):
        optimizer = torch.optim.Adam(head.parameters(), 0.01)
        first = None
        for _ in range(400):
            optimizer.zero_grad()
            loss = head.loss(feats, data)['loss']
            first = first or loss.item()
            loss.backward()
            optimizer.step()
        assert loss < 0.2 * first


@pytest.mark.parametrize('make', [age_head, landmark_head])
def test_under_autocast_the_last_layer_has_full_precision(make):
    head = make(hidden_channels=())
    feats = (torch.randn(4, 8).bfloat16(),)
    with torch.autocast('cpu', torch.bfloat16):
        answer = head(feats)
    assert answer.dtype == torch.float32
    torch.testing.assert_close(answer, head((feats[0].float(),)))


def test_only_the_layers_are_in_a_checkpoint():
    names = ['layers.0.fc.weight', 'layers.0.fc.bias', 'layers.1.fc.weight', 'layers.1.fc.bias']
    assert list(landmark_head().state_dict()) == names == list(age_head().state_dict())


@pytest.mark.parametrize('make', [age_head, landmark_head])
def test_predicts_without_data_samples(make):
    head = make()
    for data in (None, [None, None]):
        assert len(head.predict((torch.randn(2, 8),), data)) == 2


@pytest.mark.parametrize(('make', 'key'), [(age_head, 'gt_age'), (landmark_head, 'gt_landmarks')])
def test_missing_target_names_the_sample_and_the_key(make, key):
    message = rf"faces/1.png has none.*type='PackInputs', algorithm_keys=\('{key}',\)"
    values = {'gt_age': [3.0, 4.0], 'gt_landmarks': [np.zeros((98, 2))] * 2}
    data = samples(**values)
    data[1].pop(key)
    with pytest.raises(ValueError, match=message):
        make().loss((torch.randn(2, 8),), data)


@pytest.mark.parametrize(('make', 'key'), [(age_head, 'gt_age'), (landmark_head, 'gt_landmarks')])
def test_mixed_images_are_an_error(make, key):
    values = {'gt_age': [3.0, 4.0], 'gt_landmarks': [np.zeros((98, 2))] * 2}
    data = [sample.set_gt_score([0.3, 0.7]) for sample in samples(**values)]
    with pytest.raises(ValueError, match=f'{key} .*Mixup.*model.train_cfg=None'):
        make().loss((torch.randn(2, 8),), data)


def test_target_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r'\(98, 2\).*faces/0.png .*\(68, 2\)'):
        landmark_head().loss((torch.randn(1, 8),), samples(gt_landmarks=[np.zeros((68, 2))]))
    with pytest.raises(ValueError, match=r'faces/0.png .*\(2,\)'):
        age_head().loss((torch.randn(1, 8),), samples(gt_age=[np.zeros(2)]))


def test_the_error_for_other_features_names_the_setting():
    for shape in ((2, 9), (2, 9, 4, 4)):
        with pytest.raises(ValueError, match=r'8 channels.*9.*model.head.in_channels=9'):
            age_head()((torch.randn(shape),))
    with pytest.raises(ValueError, match=r'\(8,\)'):
        landmark_head()((torch.randn(8),))


@pytest.mark.parametrize('make', [age_head, landmark_head])
def test_a_map_is_averaged(make):
    head, spatial = make(), torch.randn(3, 8, 4, 5)
    for feats in ((spatial,), (spatial.flatten(2).transpose(1, 2),)):
        torch.testing.assert_close(head(feats), head((spatial.mean((2, 3)),)))


@pytest.mark.parametrize('loss', ['WingLoss', 'L1Loss', 'SmoothL1Loss', 'MSELoss'])
def test_any_loss_is_in_years_and_pixels(loss):
    """For errors of 3 years, or of 3 pixels in x and 0 in y."""
    each = dict(WingLoss=10 * math.log(2.5), L1Loss=3, SmoothL1Loss=2.5, MSELoss=9)[loss]
    feats = (torch.zeros(1, 8),)
    head = age_head(mean_age=40.0, loss=dict(type=loss))
    force(head, [0])
    assert head.loss(feats, samples(gt_age=[43]))['loss'].item() == pytest.approx(each)
    head = landmark_head(loss=dict(type=loss, reduction='sum'))
    points = head(feats)[0].detach() + torch.tensor([3.0, 0.0])
    value = head.loss(feats, samples(gt_landmarks=[points]))['loss'].item()
    assert value == pytest.approx(98 * each, rel=1e-4)


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (dict(type='AgeHead', age_scale=0), 'age_scale .*0'),
        (dict(type='AgeHead', age_range=(5, 5)), r'age_range .*\(5, 5\)'),
        (dict(type='AgeHead', hidden_channels=256), 'hidden_channels .*256'),
        (dict(type='AgeHead', hidden_channels=(0,)), 'hidden_channels .*0'),
        (dict(type='LandmarkHead', num_points=0), 'num_points .*0'),
        (dict(type='LandmarkHead', input_size=(1, 2, 3)), r'input_size .*\(1, 2, 3\)'),
    ],
)
def test_wrong_arguments_are_named(cfg, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(in_channels=8, **cfg))
