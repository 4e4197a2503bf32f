# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The drawn faces: pure, labelled correctly, and readable."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmfer.categories import ACTION_UNITS, EXPRESSIONS
from mmfer.datasets import SynthFace
from mmfer.datasets.transforms import face_square
from mmfer.registry import DATASETS
from mmfer.synth import (
    FLIP_INDICES,
    SPLITS,
    Difficulty,
    Labels,
    active_units,
    draw_face,
    face_actions,
    sample_labels,
)
from mmfer.synth.expression import Actions
from mmfer.tasks import TASKS

PLAIN = Difficulty.none()
CLASS = {name: number for number, name in enumerate(EXPRESSIONS)}


def plain_face(expression, identity=0, age=30, image_size=112, index=0):
    labels = Labels(CLASS[expression], age, identity)
    return draw_face(labels, 0, 'train', index, image_size, PLAIN)


def digest(index, split='train', seed=0):
    picture = draw_face(sample_labels(seed, split, index, 20), seed, split, index)
    return hashlib.sha256(picture.image.tobytes() + picture.landmarks.tobytes()).hexdigest()


class TestPurity:
    def test_same_bytes_in_another_process_and_order(self):
        here = [digest(index) for index in (3, 0, 11)]
        code = (
            'import hashlib, numpy as np\n'
            'from mmfer.synth import draw_face, sample_labels\n'
            'np.random.seed(7)\n'
            'for index in (11, 0, 5, 3):\n'
            "    p = draw_face(sample_labels(0, 'train', index, 20), 0, 'train', index)\n"
            '    print(hashlib.sha256(p.image.tobytes() + p.landmarks.tobytes()).hexdigest())\n'
        )
        run = subprocess.run(
            [sys.executable, '-c', code], capture_output=True, text=True, check=True
        )
        eleven, zero, _, three = run.stdout.split()
        assert [three, zero, eleven] == here

    def test_every_name_is_another_picture(self):
        names = [(i, split, seed) for i in range(6) for split in SPLITS for seed in (0, 1)]
        assert len({digest(*name) for name in names}) == len(names)

    def test_global_random_state_is_neither_used_nor_changed(self):
        state = np.random.get_state()[1].copy()
        first = digest(4)
        np.testing.assert_array_equal(np.random.get_state()[1], state)
        np.random.seed(123)
        assert digest(4) == first

    def test_another_expression_leaves_pose_and_background(self):
        labels = sample_labels(0, 'train', 0, 20)
        free = Difficulty(occlusion=0, loss=0)
        one, two = (
            draw_face(replace(labels, expression=number), 0, 'train', 0, difficulty=free)
            for number in (CLASS['Neutral'], CLASS['Surprise'])
        )
        np.testing.assert_array_equal(one.image[:4, :4], two.image[:4, :4])
        # The nose's bridge does not move with the expression, so it shows the pose.
        np.testing.assert_array_equal(one.landmarks[51:55], two.landmarks[51:55])
        assert (one.image != two.image).any()


class TestLabels:
    @pytest.fixture(scope='class')
    def labels(self):
        return [sample_labels(0, 'train', index, 10) for index in range(2100)]

    def test_expressions_are_balanced(self, labels):
        counts = np.bincount([label.expression for label in labels], minlength=7)
        assert counts.tolist() == [300] * 7

    @pytest.mark.parametrize('other', ['identity', 'age'])
    def test_expression_is_independent_of(self, labels, other):
        values = np.array([getattr(label, other) for label in labels])
        groups = values if other == 'identity' else np.digitize(values, [12, 25, 40, 60])
        table = np.zeros((7, groups.max() + 1))
        np.add.at(table, ([label.expression for label in labels], groups), 1)
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        statistic = ((table - expected) ** 2 / expected).sum()
        freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
        assert chi2.sf(statistic, freedom) > 0.01

    def test_ages_and_identities_cover_their_range(self, labels):
        ages = [label.age for label in labels]
        assert 1 <= min(ages) <= 3 and 100 <= max(ages) <= 116
        assert {label.identity for label in labels} == set(range(10))


class TestActionUnits:
    @pytest.fixture(scope='class')
    def samples(self):
        dataset = SynthFace(num_samples=700, action_units=True)
        assert dataset.metainfo['action_units'] == ACTION_UNITS
        return [dataset.get_data_info(index) for index in range(len(dataset))]

    def shares(self, samples, expression):
        """How often each unit is active when an expression is drawn."""
        chosen = [s['gt_au'] for s in samples if s['gt_label'] == CLASS[expression]]
        return dict(zip(ACTION_UNITS, np.mean(np.array(chosen) == 1, axis=0), strict=True))

    @pytest.mark.parametrize(
        ('expression', 'active'),
        [
            ('Anger', ('AU4', 'AU7')),
            ('Disgust', ('AU10',)),
            ('Fear', ('AU1', 'AU25')),
            ('Sadness', ('AU1', 'AU15')),
            ('Happiness', ('AU6', 'AU12')),
            ('Surprise', ('AU1', 'AU2', 'AU26')),
        ],
    )
    def test_expressions_have_the_units_that_define_them(self, samples, expression, active):
        shares, neutral = self.shares(samples, expression), self.shares(samples, 'Neutral')
        for unit in active:
            assert shares[unit] > 0.75 and neutral[unit] < 0.15

    def test_what_is_not_drawn_is_not_labelled(self, samples):
        units = np.array([sample['gt_au'] for sample in samples])
        assert units.dtype == np.int8
        drawn = np.array([name != 'AU23' for name in ACTION_UNITS])
        assert (units[:, ~drawn] == -1).all() and np.isin(units[:, drawn], (0, 1)).all()

    def test_labels_are_of_the_face_that_is_drawn(self):
        labels = sample_labels(0, 'train', 3, 20)
        for number in range(len(EXPRESSIONS)):
            left, right = face_actions(replace(labels, expression=number), 0, 'train', 3, PLAIN)
            assert left == right, 'without variation both sides are the prototype'
            smile = active_units(left, right, ('AU12',)).item()
            assert smile == (number == CLASS['Happiness'])

    def test_one_side_is_enough(self):
        on, off = Actions(corner_pull=0.3), Actions(corner_pull=0.29)
        assert active_units(off, on, ('AU12', 'AU1')).tolist() == [1, 0]
        assert active_units(off, off, ('AU12', 'AU23')).tolist() == [0, -1]

    def test_pictures_and_other_labels_stay_as_they_are(self):
        plain, with_units = SynthFace(num_samples=2), SynthFace(num_samples=2, action_units=True)
        np.testing.assert_array_equal(plain[1]['img'], with_units[1]['img'])
        assert plain[1]['gt_label'] == with_units[1]['gt_label'] and 'gt_au' not in plain[1]

    def test_share_of_the_pictures_with_one_task(self):
        dataset = SynthFace(num_samples=2000, action_units=True, single_task=0.5)
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        kinds = [(info['gt_label'] >= 0, bool(info['gt_au'].max() >= 0)) for info in infos]
        assert (False, False) not in kinds
        for kind, share in {(True, True): 0.5, (True, False): 0.25, (False, True): 0.25}.items():
            assert kinds.count(kind) / 2000 == pytest.approx(share, abs=0.04)
        assert all(info['expression'] >= 0 for info in infos)

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(action_units=True, task='age'), "task='expression', got 'age'"),
            (dict(single_task=0.5), 'single_task must be .* got 0.5'),
            (dict(action_units=True, single_task=1.5), 'single_task must be .* got 1.5'),
        ],
    )
    def test_wrong_arguments_are_named(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            SynthFace(num_samples=1, **arguments)


class TestLandmarks:
    @pytest.mark.parametrize('index', range(8))
    def test_are_inside_the_picture_for_mild_poses(self, index):
        labels = sample_labels(0, 'train', index, 20)
        points = draw_face(labels, 0, 'train', index, difficulty=Difficulty(pose=0.5)).landmarks
        assert points.shape == (98, 2) and points.dtype == np.float32
        assert points.min() >= 0 and points.max() <= 111

    @pytest.mark.parametrize('expression', EXPRESSIONS)
    def test_a_plain_face_is_its_own_mirror_image(self, expression):
        points = plain_face(expression).landmarks
        mirrored = points[FLIP_INDICES].copy()
        mirrored[:, 0] = 111 - mirrored[:, 0]
        np.testing.assert_allclose(points, mirrored, atol=1e-3)

    def test_flipping_twice_changes_nothing(self):
        np.testing.assert_array_equal(FLIP_INDICES[FLIP_INDICES], np.arange(98))

    def test_proportions_are_those_of_a_face(self):
        points = plain_face('Neutral').landmarks
        eyes = np.linalg.norm(points[60] - points[72])
        assert 0.3 * 112 < eyes < 0.45 * 112
        jaw_width = points[32, 0] - points[0, 0]
        assert 1.4 < jaw_width / eyes < 1.8
        # From top to bottom: brows, eyes, bottom of the nose, mouth, chin.
        rows = [points[i, 1] for i in (35, 96, 57, 90, 16)]
        assert rows == sorted(rows)
        # From left to right: ear, outer and inner corner, inner and outer corner, ear.
        columns = [points[i, 0] for i in (0, 60, 64, 68, 72, 32)]
        assert columns == sorted(columns)

    @pytest.mark.parametrize('image_size', [64, 224])
    def test_scale_with_the_picture(self, image_size):
        small, large = plain_face('Fear').landmarks, plain_face('Fear', image_size=image_size)
        assert large.image.shape == (image_size, image_size, 3)
        # Pixel centres are whole numbers, hence the half.
        scaled = (small + 0.5) * image_size / 112 - 0.5
        np.testing.assert_allclose(large.landmarks, scaled, atol=1e-3)

    @pytest.mark.parametrize('identity', range(6))
    def test_pixels_agree_with_pupils(self, identity):
        picture = plain_face('Surprise', identity=identity, image_size=224)
        grey = picture.image.mean(2)
        for pupil, below in ((96, 66), (97, 74)):
            x, y = np.rint(picture.landmarks[pupil]).astype(int)
            cheek_y = int(picture.landmarks[below, 1]) + 22
            pupil_tone = np.median(grey[y - 1 : y + 2, x - 1 : x + 2])
            assert pupil_tone < 0.7 * np.median(grey[cheek_y - 2 : cheek_y + 3, x - 4 : x + 5])

    def test_follow_the_pose(self):
        labels = Labels(CLASS['Neutral'], 30, 0)
        turned = draw_face(labels, 0, 'train', 5, 224, replace(PLAIN, pose=1.5))
        straight = draw_face(labels, 0, 'train', 5, 224, PLAIN)
        assert np.abs(turned.landmarks - straight.landmarks).max() > 5
        # The white of the turned face's eyes is where its landmarks say.
        middle = turned.landmarks[[60, 64]].mean(0)
        x, y = np.rint(middle).astype(int)
        patch = turned.image[y - 6 : y + 7, x - 14 : x + 15].reshape(-1, 3)
        assert patch.min() < 60 and patch.min(1).max() > 200


class TestExpressions:
    @pytest.fixture(params=range(4))
    def faces(self, request):
        return {
            name: plain_face(name, identity=request.param, index=index).landmarks
            for index, name in enumerate(EXPRESSIONS)
        }

    def test_happiness_lifts_and_widens_the_corners_of_the_mouth(self, faces):
        happy, neutral = faces['Happiness'], faces['Neutral']
        assert (happy[[76, 82], 1] < neutral[[76, 82], 1] - 2).all()
        assert happy[82, 0] - happy[76, 0] > neutral[82, 0] - neutral[76, 0] + 3

    def test_sadness_lowers_them_and_raises_the_inner_brows(self, faces):
        sad, neutral = faces['Sadness'], faces['Neutral']
        assert (sad[[76, 82], 1] > neutral[[76, 82], 1] + 1.5).all()
        assert (sad[[37, 42], 1] < neutral[[37, 42], 1] - 1).all()

    def test_anger_lowers_the_inner_brows(self, faces):
        assert (faces['Anger'][[37, 42], 1] > faces['Neutral'][[37, 42], 1] + 2).all()

    def test_surprise_opens_the_mouth_and_raises_the_brows(self, faces):
        surprise, neutral = faces['Surprise'], faces['Neutral']
        gap = surprise[94, 1] - surprise[90, 1]
        assert gap > 5 > 2 > neutral[94, 1] - neutral[90, 1]
        assert (surprise[33:51, 1] < neutral[33:51, 1]).all()

    def test_fear_widens_the_eyes(self, faces):
        def opening(points):
            return points[66, 1] - points[62, 1]

        assert opening(faces['Fear']) > 1.3 * opening(faces['Neutral'])

    def test_disgust_lifts_the_nose_and_narrows_the_eyes(self, faces):
        disgust, neutral = faces['Disgust'], faces['Neutral']
        assert (disgust[[55, 59], 1] < neutral[[55, 59], 1] - 1).all()
        assert disgust[66, 1] - disgust[62, 1] < 0.8 * (neutral[66, 1] - neutral[62, 1])


def test_age_and_identity_show():
    face = plain_face('Neutral').image.astype(float)
    older = plain_face('Neutral', age=85).image.astype(float)
    other = plain_face('Neutral', identity=1).image.astype(float)
    same = plain_face('Neutral', index=9).image.astype(float)

    def difference(a, b):
        return np.abs(a - b).mean()

    # Chance leaves a plain picture of one person alone but for the side of the light.
    assert difference(face, older) > 3 and difference(face, other) > 3
    assert difference(face, same) < 0.5 * min(difference(face, older), difference(face, other))


def test_shape_tells_the_expression_mostly():
    """A linear probe on normalised landmarks: far above chance, and short of perfect."""

    def features(split, count):
        dataset = SynthFace(split=split, num_samples=count, image_size=32)
        samples = [dataset[index] for index in range(count)]
        points = np.stack([sample['gt_landmarks'] for sample in samples])
        eyes = points[:, [60, 72]]
        points = points - eyes.mean(1, keepdims=True)
        points /= np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)[:, None, None]
        return points.reshape(count, -1), dataset.get_gt_labels()

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    probe.fit(*features('train', 280))
    accuracy = probe.score(*features('test', 140))
    assert 0.55 < accuracy < 0.97, accuracy


def test_tight_crop_shows_the_same_face_larger():
    labels = Labels(CLASS['Neutral'], 30, 0)
    loose, tight = (
        draw_face(labels, 0, 'train', 0, difficulty=PLAIN, crop=crop).landmarks
        for crop in ('loose', 'tight')
    )
    middle = (112 - 1) / 2
    np.testing.assert_allclose(tight - middle, (loose - middle) * 2.5 / 1.9, atol=0.02)


def test_wide_crop_has_room_for_the_others():
    dataset = SynthFace(num_samples=40, image_size=64, crop='wide')
    for sample in dataset:
        square = face_square('loose', landmarks=sample['gt_landmarks'])
        assert square.side < 64
        # A face at the edge may lose a little of the background.
        assert min(square.x, square.y, 63 - square.x, 63 - square.y) > 0.35 * square.side


class TestDifficulty:
    @pytest.mark.parametrize('part', ['pose', 'light', 'clutter', 'loss', 'occlusion', 'variation'])
    def test_every_part_changes_the_picture(self, part):
        labels = Labels(CLASS['Happiness'], 30, 0)
        changed = 0
        for index in range(8):
            plain, hard = (
                draw_face(labels, 0, 'train', index, difficulty=difficulty).image
                for difficulty in (PLAIN, replace(PLAIN, **{part: 1}))
            )
            changed += (plain != hard).any()
        # Loss leaves some pictures as they are.
        assert changed >= 4

    @pytest.mark.parametrize('wrong', [dict(pose=-1), dict(occlusion=1.5), dict(light='much')])
    def test_wrong_strengths_are_named(self, wrong):
        with pytest.raises(ValueError, match=f'difficulty.{next(iter(wrong))}'):
            Difficulty(**wrong)


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
        drawn, cached = SynthFace(**arguments), SynthFace(cache=True, **arguments)
        subset = cached.get_subset([6, 1])
        for sample, index in ((cached[6], 6), (subset[0], 6), (subset[1], 1)):
            np.testing.assert_array_equal(sample['img'], drawn[index]['img'])
            np.testing.assert_array_equal(sample['gt_landmarks'], drawn[index]['gt_landmarks'])

    def test_transforms_cannot_spoil_the_cache(self):
        dataset = SynthFace(num_samples=1, image_size=48, cache=True)
        before = dataset[0]['img'].copy()
        dataset[0]['img'][:] = 0
        np.testing.assert_array_equal(dataset[0]['img'], before)

    @pytest.mark.parametrize('task', TASKS)
    def test_every_task_sees_the_same_pictures_and_labels(self, task):
        arguments = dict(num_samples=4, image_size=32, num_identities=5)
        for sample, plain in zip(
            SynthFace(task=task, **arguments), SynthFace(**arguments), strict=True
        ):
            assert sample.keys() == plain.keys()
            for key in sample.keys() - {'gt_label'}:
                np.testing.assert_array_equal(sample[key], plain[key])
            label = 'identity' if task == 'recognition' else 'expression'
            assert sample['gt_label'] == sample[label]

    @pytest.mark.parametrize('task', TASKS)
    def test_classes_of_every_task(self, task):
        people = tuple(f'person {number}' for number in range(5))
        classes = {'expression': EXPRESSIONS, 'recognition': people}.get(task)
        dataset = SynthFace(num_samples=1, image_size=32, task=task, num_identities=5)
        assert dataset.metainfo.get('classes') == classes

    @pytest.mark.parametrize('task', ['expression', 'recognition'])
    @pytest.mark.parametrize('given', ['classes', 'metainfo'])
    def test_labels_are_numbered_as_the_classes_are(self, task, given):
        arguments = dict(num_samples=14, image_size=32, task=task, num_identities=5)
        plain = SynthFace(**arguments)
        classes = plain.metainfo['classes'][::-1]
        setting = classes if given == 'classes' else dict(classes=classes)
        other = SynthFace(**arguments, **{given: setting})
        assert other.metainfo['classes'] == classes
        for sample, same in zip(other, plain, strict=True):
            name = plain.metainfo['classes'][same['gt_label']]
            assert classes[sample['gt_label']] == name
            assert sample['expression'] == same['expression']

    def test_an_unlabelled_face_stays_so_whatever_the_classes_are(self):
        arguments = dict(num_samples=20, image_size=32, action_units=True, single_task=1)
        plain = SynthFace(**arguments).get_gt_labels()
        other = SynthFace(classes=EXPRESSIONS[::-1], **arguments).get_gt_labels()
        assert (plain == -1).any()
        np.testing.assert_array_equal(other, np.where(plain == -1, -1, 6 - plain))

    def test_action_units_are_those_of_the_meta_information(self):
        arguments = dict(num_samples=6, image_size=32, action_units=True)
        some = ('AU26', 'AU23', 'AU12')
        metainfo = dict(action_units=some)
        for sample, plain in zip(
            SynthFace(metainfo=metainfo, **arguments), SynthFace(**arguments), strict=True
        ):
            wanted = [plain['gt_au'][ACTION_UNITS.index(unit)] for unit in some]
            np.testing.assert_array_equal(sample['gt_au'], wanted)

    def test_other_classes_are_refused(self):
        for classes in (EXPRESSIONS[:6], (*EXPRESSIONS, 'Contempt'), (*EXPRESSIONS[:6], 'Joy')):
            with pytest.raises(ValueError, match='classes must be .*Anger.* in any order'):
                SynthFace(num_samples=1, classes=classes)

    @pytest.mark.parametrize('cache', [False, True])
    def test_face_box_is_what_the_landmarks_span(self, cache):
        sample = SynthFace(num_samples=1, image_size=64, cache=cache)[0]
        points = sample['gt_landmarks']
        assert sample['face_box'].dtype == np.float32
        np.testing.assert_array_equal(sample['face_box'], [*points.min(0), *points.max(0)])

    def test_label_noise_changes_its_share_of_labels_and_no_picture(self):
        clean = SynthFace(num_samples=700, image_size=32)
        noisy = SynthFace(num_samples=700, image_size=32, label_noise=0.3)
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
        ((name, value),) = wrong.items()
        with pytest.raises(ValueError, match=f'{name} must be .*{value!r}'):
            SynthFace(**wrong)

    def test_unknown_difficulty_is_named(self):
        with pytest.raises(ValueError, match=r"no \['haze'\].*occlusion"):
            SynthFace(difficulty=dict(haze=1))

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
            settings.update(num_samples=7, cache=False)
            sample = DATASETS.build(settings)[0]
            assert sample['inputs'].shape == (3, 64, 64)
            assert 0 <= sample['data_samples'].gt_label.item() < 7
