# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmfer.categories import ACTION_UNITS, EXPRESSIONS
from mmfer.datasets import SynthFace
from mmfer.datasets.transforms import face_square
from mmfer.registry import DATASETS
from mmfer.synth import SPLITS, Labels, compose_face, valence_and_arousal
from mmfer.tasks import TASKS


def quick(**arguments):
    """The dataset without serialization, whose garbage collection takes half a second."""
    return SynthFace(serialize_data=False, **arguments)


def test_wide_crop_has_room_for_the_others():
    dataset = quick(num_samples=40, image_size=64, crop='wide')
    for sample in dataset:
        square = face_square('loose', landmarks=sample['gt_landmarks'])
        assert square.side < 64
        # A face at the edge may lose a little of the background.
        assert min(square.x, square.y, 63 - square.x, 63 - square.y) > 0.35 * square.side


class TestLabelsOfMuscles:
    def test_what_is_not_drawn_is_not_labeled(self):
        dataset = quick(num_samples=140, action_units=True)
        assert dataset.metainfo['action_units'] == ACTION_UNITS
        units = np.array([dataset.get_data_info(index)['gt_au'] for index in range(140)])
        assert units.dtype == np.int8
        drawn = np.array([name != 'AU23' for name in ACTION_UNITS])
        assert (units[:, ~drawn] == -1).all() and np.isin(units[:, drawn], (0, 1)).all()

    def test_images_and_other_labels_stay_as_they_are(self):
        plain, with_units = quick(num_samples=2), quick(num_samples=2, action_units=True)
        np.testing.assert_array_equal(plain[1]['img'], with_units[1]['img'])
        assert plain[1]['gt_label'] == with_units[1]['gt_label'] and 'gt_au' not in plain[1]

    def test_share_of_the_images_with_one_task(self):
        dataset = quick(num_samples=800, action_units=True, single_task=0.5)
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        kinds = [(info['gt_label'] >= 0, bool(info['gt_au'].max() >= 0)) for info in infos]
        assert (False, False) not in kinds
        for kind, share in {(True, True): 0.5, (True, False): 0.25, (False, True): 0.25}.items():
            assert kinds.count(kind) / 800 == pytest.approx(share, abs=0.04)
        assert all(info['expression'] >= 0 for info in infos)

    def test_valence_and_arousal_are_those_of_the_drawn_muscles(self):
        dataset = quick(num_samples=70, valence_arousal=True)
        for index in range(70):
            info = dataset.get_data_info(index)
            labels = Labels(info['drawn_expression'], int(info['gt_age']), info['identity'])
            _, face = compose_face(labels, 0, 'train', index)
            wanted = valence_and_arousal(face.left, face.right)
            np.testing.assert_array_equal(info['gt_valence_arousal'], wanted)
            assert (np.abs(wanted) <= 1).all() and 'gt_au' not in info

    def test_three_tasks_share_what_has_one_label(self):
        three = dict(action_units=True, valence_arousal=True)
        dataset = quick(num_samples=800, single_task=0.6, **three)
        kinds = []
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            place = info['gt_valence_arousal']
            assert place.dtype == np.float32 and np.isnan(place).all() == np.isnan(place).any()
            kinds.append((info['gt_label'] >= 0, info['gt_au'].max() >= 0, place[0] == place[0]))
        assert len(set(kinds)) == 4
        for kind, share in {(1, 1, 1): 0.4, (1, 0, 0): 0.2, (0, 1, 0): 0.2, (0, 0, 1): 0.2}.items():
            assert kinds.count(kind) / 800 == pytest.approx(share, abs=0.04)

    @pytest.mark.parametrize(
        ('arguments', 'name'),
        [
            (dict(action_units=True, task='age'), 'action_units'),
            (dict(valence_arousal=True, task='landmarks'), 'valence_arousal'),
            (dict(single_task=0.5), 'single_task'),
            (dict(action_units=True, single_task=1.5), 'single_task'),
        ],
    )
    def test_wrong_arguments_are_named(self, arguments, name):
        with pytest.raises(ValueError, match=name):
            quick(num_samples=1, **arguments)


class TestDataset:
    def test_is_built_from_a_config(self):
        dataset = DATASETS.build(dict(type='SynthFace', split='val', num_samples=14, image_size=64))
        assert dataset.metainfo['classes'] == EXPRESSIONS
        assert len(dataset) == 14
        assert sorted(dataset.get_gt_labels()) == sorted(list(range(7)) * 2)
        assert dataset.get_cat_ids(3) == [dataset[3]['gt_label']]
        sample = dataset[13]
        assert sample['img'].shape == (64, 64, 3) and sample['img'].dtype == np.uint8
        assert sample['img_path'] == 'synthface://val/13'
        assert sample['gt_landmarks'].shape == (98, 2)
        assert sample['img_shape'] == sample['ori_shape'] == (64, 64)
        assert isinstance(sample['gt_age'], float) and isinstance(sample['identity'], int)
        assert 'SynthFace' in repr(dataset)

    def test_labels_do_not_cost_a_drawing(self, monkeypatch):
        monkeypatch.setattr('mmfer.datasets.synthface.draw_face', None)
        assert len(SynthFace(num_samples=70).get_gt_labels()) == 70

    def test_cached_equals_drawn_even_in_a_subset(self):
        arguments = dict(num_samples=8, image_size=48)
        drawn, cached = quick(**arguments), quick(cache=True, **arguments)
        subset = cached.get_subset([6, 1])
        for sample, index in ((cached[6], 6), (subset[0], 6), (subset[1], 1)):
            np.testing.assert_array_equal(sample['img'], drawn[index]['img'])
            np.testing.assert_array_equal(sample['gt_landmarks'], drawn[index]['gt_landmarks'])

    def test_subsets_share_the_cache(self):
        cached = quick(num_samples=4, image_size=48, cache=True)
        assert cached.get_subset([1])._drawn is cached._drawn

    def test_transforms_cannot_spoil_the_cache(self):
        dataset = quick(num_samples=1, image_size=48, cache=True)
        before = dataset[0]['img'].copy()
        dataset[0]['img'][:] = 0
        np.testing.assert_array_equal(dataset[0]['img'], before)

    @pytest.mark.parametrize('task', TASKS)
    def test_every_task_sees_the_same_images_and_labels(self, task):
        arguments = dict(num_samples=4, image_size=32, num_identities=5)
        for sample, plain in zip(quick(task=task, **arguments), quick(**arguments), strict=True):
            assert sample.keys() == plain.keys()
            for key in sample.keys() - {'gt_label'}:
                np.testing.assert_array_equal(sample[key], plain[key])
            label = 'identity' if task == 'recognition' else 'expression'
            assert sample['gt_label'] == sample[label]

    @pytest.mark.parametrize('task', TASKS)
    def test_classes_of_every_task(self, task):
        people = tuple(f'person {number}' for number in range(5))
        classes = {'expression': EXPRESSIONS, 'recognition': people}.get(task)
        dataset = quick(num_samples=1, image_size=32, task=task, num_identities=5)
        assert dataset.metainfo.get('classes') == classes

    @pytest.mark.parametrize('task', ['expression', 'recognition'])
    @pytest.mark.parametrize('given', ['classes', 'metainfo'])
    def test_labels_are_numbered_as_the_classes_are(self, task, given):
        arguments = dict(num_samples=14, image_size=32, task=task, num_identities=5)
        plain = quick(**arguments)
        classes = plain.metainfo['classes'][::-1]
        setting = classes if given == 'classes' else dict(classes=classes)
        other = quick(**arguments, **{given: setting})
        assert other.metainfo['classes'] == classes
        for sample, same in zip(other, plain, strict=True):
            name = plain.metainfo['classes'][same['gt_label']]
            assert classes[sample['gt_label']] == name
            assert sample['expression'] == same['expression']

    def test_an_unlabeled_face_stays_so_whatever_the_classes_are(self):
        arguments = dict(num_samples=20, image_size=32, action_units=True, single_task=1)
        plain = quick(**arguments).get_gt_labels()
        other = quick(classes=EXPRESSIONS[::-1], **arguments).get_gt_labels()
        assert (plain == -1).any()
        np.testing.assert_array_equal(other, np.where(plain == -1, -1, 6 - plain))

    def test_action_units_are_those_of_the_meta_information(self):
        arguments = dict(num_samples=6, image_size=32, action_units=True)
        some = ('AU26', 'AU23', 'AU12')
        metainfo = dict(action_units=some)
        for sample, plain in zip(
            quick(metainfo=metainfo, **arguments), quick(**arguments), strict=True
        ):
            wanted = [plain['gt_au'][ACTION_UNITS.index(unit)] for unit in some]
            np.testing.assert_array_equal(sample['gt_au'], wanted)

    def test_other_classes_are_skipped(self):
        whole = quick(num_samples=40)
        part = quick(num_samples=40, classes=('Neutral', 'Anger', 'Contempt'), cache=True)
        kept = [i for i, label in enumerate(whole.get_gt_labels()) if label in (6, 0)]
        assert 0 < len(part) == len(kept) < 40
        for index, sample in zip(kept, part, strict=True):
            np.testing.assert_array_equal(sample['img'], whole[index]['img'])
            assert sample['gt_label'] == {6: 0, 0: 1}[whole[index]['gt_label']]

    def test_unknown_classes_are_an_error(self):
        with pytest.raises(ValueError, match="classes name 'Joy'; known are 'Anger'.*'Contempt'"):
            quick(num_samples=1, classes=(*EXPRESSIONS[:6], 'Joy'))

    @pytest.mark.parametrize('cache', [False, True])
    def test_face_box_is_what_the_landmarks_span(self, cache):
        sample = quick(num_samples=1, image_size=64, cache=cache)[0]
        points = sample['gt_landmarks']
        assert sample['face_box'].dtype == np.float32
        np.testing.assert_array_equal(sample['face_box'], [*points.min(0), *points.max(0)])

    def test_label_noise_changes_its_share_of_labels_and_no_image(self):
        clean = quick(num_samples=700, image_size=32)
        noisy = quick(num_samples=700, image_size=32, label_noise=0.3)
        wrong = clean.get_gt_labels() != noisy.get_gt_labels()
        assert 0.25 < wrong.mean() < 0.35
        index = int(np.flatnonzero(wrong)[0])
        np.testing.assert_array_equal(clean[index]['img'], noisy[index]['img'])

    @pytest.mark.parametrize(
        'wrong',
        [
            dict(split='training'),
            dict(task='gender'),
            dict(crop='close'),
            dict(num_samples=0),
            dict(image_size=16),
            dict(seed=-1),
            dict(num_identities=2.5),
            dict(label_noise=1),
        ],
    )
    def test_wrong_arguments_are_named(self, wrong):
        (name,) = wrong
        with pytest.raises(ValueError, match=name):
            quick(**wrong)

    def test_unknown_difficulty_is_named(self):
        with pytest.raises(ValueError, match='haze'):
            quick(difficulty=dict(haze=1))

    def test_workers_give_the_same_samples(self):
        def batches(num_workers):
            loader = Runner.build_dataloader(
                dict(
                    batch_size=3,
                    num_workers=num_workers,
                    sampler=dict(type='DefaultSampler', shuffle=False),
                    dataset=dict(
                        type='SynthFace',
                        num_samples=7,
                        image_size=32,
                        pipeline=[dict(type='PackInputs')],
                    ),
                ),
                seed=0,
            )
            return [image for batch in loader for image in batch['inputs']]

        alone, shared = batches(0), batches(2)
        assert len(alone) == len(shared) == 7
        assert all((a == b).all() for a, b in zip(alone, shared, strict=True))

    def test_base_config_builds(self, repo_root):
        config = Config.fromfile(repo_root / 'configs/_base_/datasets/synthface_64.py')
        for split in SPLITS:
            settings = config[f'{split}_dataloader'].dataset
            settings.update(num_samples=7, cache=False, serialize_data=False)
            sample = DATASETS.build(settings)[0]
            assert sample['inputs'].shape == (3, 64, 64)
            assert 0 <= sample['data_samples'].gt_label.item() < 7
