# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import pickle
import shutil

import numpy as np
import pytest
import torch
from expression_trees import AFFWILD2_EXPRESSIONS, write_affwild2
from mmengine.dataset import default_collate

from mmfer.datasets import ACTION_UNITS, EXPRESSIONS, AffWild2
from mmfer.datasets.affwild2_files import (
    read_action_units,
    read_expressions,
    read_valence_arousal,
)
from mmfer.datasets.face_dataset import EmptySplitError

#: One frame each with: both labels, an expression, action units, none; and one more line of units.
EXPRESSIONS_A, UNITS_A = [4, 1, -1, -1], [1, -1, 0, -1, 1]


def write(root, **kwargs):
    """Two videos for training, one in each track; one video for validation in both."""
    return write_affwild2(
        root,
        {
            'Train_Set/a': EXPRESSIONS_A,
            'Train_Set/b_left': [0, 0],
            'Validation_Set/v': [2, 3, 6],
        },
        {
            'Train_Set/a': UNITS_A,
            'Train_Set/c': [0, 1],
            'Validation_Set/v': [-1, 1, 0],
        },
        **kwargs,
    )


def frames(dataset):
    """Return (video, frame, class name, AU1) of all samples."""
    found = []
    for index in range(len(dataset)):
        sample = dataset.get_data_info(index)
        assert sample['img_path'].endswith(f'/{sample["video"]}/{sample["frame"]:05d}.jpg')
        label = sample['gt_label']
        name = '-' if label < 0 else dataset.metainfo['classes'][label]
        unit = int(sample['gt_au'][0]) if 'gt_au' in sample else None
        found.append((sample['video'], sample['frame'], name, unit))
    return found


def videos(dataset):
    return sorted({video for video, *_ in frames(dataset)})


class TestFrames:
    def test_labels_of_both_tracks_meet_in_a_frame(self, tmp_path):
        dataset = AffWild2(write(tmp_path))
        assert dataset.metainfo['classes'] == EXPRESSIONS
        assert dataset.metainfo['action_units'] == ACTION_UNITS
        assert frames(dataset) == [
            ('a', 1, 'Happiness', 1),
            ('a', 2, 'Anger', -1),
            ('a', 3, '-', 0),
            ('a', 5, '-', 1),  # the action units go on where the expressions end
            ('b_left', 1, 'Neutral', -1),
            ('b_left', 2, 'Neutral', -1),
            ('c', 1, '-', 0),
            ('c', 2, '-', 1),
        ]

    def test_every_number_means_its_name(self, tmp_path):
        write_affwild2(tmp_path, {'Train_Set/a': range(7)}, {})
        found = [name for _, _, name, _ in frames(AffWild2(tmp_path))]
        assert found == AFFWILD2_EXPRESSIONS.split(',')

    def test_units_keep_their_columns(self, tmp_path):
        rows = np.random.default_rng(0).integers(-1, 2, (5, 12))
        rows[0] = [0, 1, -1] * 4
        write_affwild2(tmp_path, {}, {'Train_Set/a': rows.tolist()})
        dataset = AffWild2(tmp_path)
        units = np.stack([dataset.get_data_info(index)['gt_au'] for index in range(5)])
        assert units.dtype == np.int8
        np.testing.assert_array_equal(units, rows)

    @pytest.mark.parametrize(
        ('task', 'expected'),
        [
            ('expression', [('v', 1, 'Disgust'), ('v', 2, 'Fear'), ('v', 3, 'Surprise')]),
            ('action_units', [('v', 2, '-'), ('v', 3, '-')]),
        ],
    )
    def test_one_task_alone(self, tmp_path, task, expected):
        root = write(tmp_path)
        shutil.rmtree(root / 'annotations' / ('AU_Set' if task == 'expression' else 'EXPR_Set'))
        dataset = AffWild2(root, 'val', tasks=task)
        assert [frame[:3] for frame in frames(dataset)] == expected
        assert ('gt_au' in dataset.get_data_info(0)) == (task == 'action_units')

    def test_frames_without_an_image_are_skipped_and_counted(self, tmp_path, logged):
        root = write(tmp_path, missing=['a/00001', 'a/00004', 'c/00002'])
        dataset = AffWild2(root)
        assert [frame[:2] for frame in frames(dataset)][:3] == [('a', 2), ('a', 3), ('a', 5)]
        # Frame 4 of a has neither; it is counted as unlabeled.
        assert logged == [
            (
                'AffWild2, train: 6 frames of 3 videos; 3 with an expression only, 3 with action '
                'units only, 0 with both. Skipped: 1 without a label, 2 without an image',
                logging.INFO,
            )
        ]

    def test_every_nth_frame_counts_from_the_first_whatever_is_missing(self, tmp_path):
        write_affwild2(tmp_path, {'Train_Set/a': [0] * 10}, {}, missing=['a/00004', 'a/00005'])
        found = [frame for _, frame, *_ in frames(AffWild2(tmp_path, frame_step=3))]
        assert found == [1, 7, 10]

    def test_samples_are_packed_with_both_labels(self, tmp_path):
        pipeline = [dict(type='LoadFaceImage'), dict(type='PackInputs', algorithm_keys=('gt_au',))]
        dataset = AffWild2(write(tmp_path), pipeline=pipeline)
        batch = default_collate([dataset[0], dataset[2]])
        first, third = batch['data_samples']
        assert batch['inputs'].shape == (2, 3, 24, 24)
        assert first.gt_label.tolist() == [EXPRESSIONS.index('Happiness')]
        assert third.gt_label.tolist() == [-1] and third.gt_au.tolist() == [0] * 12

    def test_own_alignment_in_another_folder(self, tmp_path):
        root = write(tmp_path)
        (root / 'cropped_aligned').rename(root / 'aligned224')
        for path in (root / 'aligned224').rglob('*.jpg'):
            path.rename(path.with_name(f'{int(path.stem)}.png'))
        dataset = AffWild2(root, image_dir='aligned224', image_name='{frame}.png')
        assert len(dataset) == 8
        assert dataset.get_data_info(1)['img_path'] == f'{root}/aligned224/a/2.png'


class TestValenceAndArousal:
    PLACES = [(0.5, -0.25), (-5, -5), (-1, 1), (-5, 0.1)]

    @pytest.fixture
    def root(self, tmp_path):
        return write_affwild2(
            tmp_path,
            {'Train_Set/a': [4, 1], 'Train_Set/b': [0]},
            {'Train_Set/a': [1], 'Train_Set/b': [0]},
            places={'Train_Set/a': self.PLACES, 'Train_Set/c': [(0, 0), (-5, -5)]},
        )

    def test_three_labels_meet_in_a_frame(self, root, logged):
        dataset = AffWild2(root, tasks=('expression', 'action_units', 'valence_arousal'))
        assert frames(dataset) == [
            ('a', 1, 'Happiness', 1),
            ('a', 2, 'Anger', -1),
            ('a', 3, '-', -1),
            ('b', 1, 'Neutral', 0),
            ('c', 1, '-', -1),
        ]
        places = np.stack([dataset.get_data_info(i)['gt_valence_arousal'] for i in range(5)])
        assert places.dtype == np.float32
        none = [np.nan] * 2
        np.testing.assert_array_equal(places, [(0.5, -0.25), none, (-1, 1), none, (0, 0)])
        ((message, _),) = logged
        assert message.endswith('; 3 with valence and arousal. Skipped: 2 without a label')

    def test_one_task_alone(self, root):
        shutil.rmtree(root / 'annotations/EXPR_Set')
        shutil.rmtree(root / 'annotations/AU_Set')
        dataset = AffWild2(root, tasks='valence_arousal')
        assert frames(dataset) == [('a', 1, '-', None), ('a', 3, '-', None), ('c', 1, '-', None)]

    def test_by_default_they_are_not_read(self, root):
        assert 'gt_valence_arousal' not in AffWild2(root).get_data_info(0)

    def test_folder_of_later_years_and_columns_by_name(self, tmp_path):
        tracks = ('EXPR_Set', 'AU_Set', 'VA_Estimation_Challenge')
        root = write_affwild2(tmp_path, {}, {}, tracks=tracks, places={'Train_Set/a': [(1, 0.5)]})
        path = root / 'annotations/VA_Estimation_Challenge/Train_Set/a.txt'
        assert read_valence_arousal(path).tolist() == [[1, 0.5]]
        path.write_text(path.read_text().replace('valence,arousal', 'arousal,valence'))
        (sample,) = AffWild2(root, tasks='valence_arousal')
        assert sample['gt_valence_arousal'].tolist() == [0.5, 1]

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('valence,arousal\n0,0\n0.5,1.5\n', r'line 3: \[0.5, 1.5\].*-1 to 1'),
            ('valence,arousal\n0,-2\n', 'line 2'),
            ('0.1,0.2\n', "line 1 .*'0.1,0.2'.*valence,arousal"),
            ('valence,arousal\n0\n', '1 numbers .*2'),
        ],
    )
    def test_wrong_lines_are_named(self, tmp_path, text, message):
        path = tmp_path / 'video7.txt'
        path.write_text(text)
        with pytest.raises(ValueError, match=f'video7.txt.*{message}'):
            read_valence_arousal(path)


class TestTable:
    def test_subsets_pickles_and_workers(self, tmp_path):
        dataset = AffWild2(write(tmp_path), pipeline=[dict(type='LoadFaceImage')])
        whole = frames(dataset)
        assert frames(dataset.get_subset(3)) == whole[:3]
        assert frames(dataset.get_subset(-2)) == whole[-2:]
        assert frames(dataset.get_subset([5, 0])) == [whole[5], whole[0]]
        assert frames(AffWild2(tmp_path, indices=2)) == whole[:2]
        assert frames(pickle.loads(pickle.dumps(dataset))) == whole
        loader = torch.utils.data.DataLoader(
            dataset, num_workers=2, multiprocessing_context='fork', collate_fn=lambda x: x[0]
        )
        assert [(sample['video'], sample['frame']) for sample in loader] == [f[:2] for f in whole]

    def test_samples_are_copies(self, tmp_path):
        dataset = AffWild2(write(tmp_path))
        dataset.get_data_info(0)['gt_au'][:] = 7
        assert dataset.get_data_info(0)['gt_au'].tolist() == [1] * 12

    def test_a_frame_takes_few_bytes(self, tmp_path):
        table = AffWild2(write(tmp_path), serialize_data=True).data_list
        columns = [table.video, table.frame, *table.columns.values()]
        assert sum(column.nbytes for column in columns) == len(table) * (4 + 4 + 1 + 12)

    def test_gt_labels_are_those_of_the_frames(self, tmp_path):
        dataset = AffWild2(write(tmp_path), 'val')
        expected = [EXPRESSIONS.index(name) for name in ('Disgust', 'Fear', 'Surprise')]
        assert dataset.get_gt_labels().tolist() == expected


class TestSharedVideos:
    """Videos with different splits in different tracks."""

    @pytest.fixture
    def root(self, tmp_path):
        return write_affwild2(
            tmp_path,
            {'Train_Set/a': [0], 'Train_Set/x': [1], 'Validation_Set/y': [2]},
            {'Train_Set/y': [1], 'Validation_Set/x': [0], 'Validation_Set/b': [1]},
        )

    @pytest.mark.parametrize(
        ('rule', 'train', 'val'),
        [
            (
                'expression',
                [('a', 'Neutral', -1), ('x', 'Anger', -1)],
                [('b', '-', 1), ('y', 'Disgust', -1)],
            ),
            ('action_units', [('a', 'Neutral', -1), ('y', '-', 1)], [('b', '-', 1), ('x', '-', 0)]),
            (
                'keep',
                [('a', 'Neutral', -1), ('x', 'Anger', -1), ('y', '-', 1)],
                [('b', '-', 1), ('x', '-', 0), ('y', 'Disgust', -1)],
            ),
        ],
    )
    def test_one_track_decides(self, root, logged, rule, train, val):
        found = []
        for split in ('train', 'val'):
            dataset = AffWild2(root, split, shared_videos=rule)
            found.append([(video, name, unit) for video, _, name, unit in frames(dataset)])
        assert found == [train, val]
        (message, level), *_ = logged
        assert message.startswith('AffWild2, train: 2 videos are for training in one track')
        assert ('trains on faces that it is tested on' in message) == (rule == 'keep')
        assert level == (logging.WARNING if rule == 'keep' else logging.INFO)

    @pytest.mark.parametrize('rule', ['expression', 'action_units'])
    def test_no_video_is_in_both_parts(self, root, rule):
        parts = [videos(AffWild2(root, split, shared_videos=rule)) for split in ('train', 'val')]
        assert not set(parts[0]) & set(parts[1])

    @pytest.mark.parametrize(
        ('rule', 'split', 'empty'),
        [('expression', 'train', 'val'), ('valence_arousal', 'val', 'train')],
    )
    def test_of_three_tracks_the_others_follow_in_their_order(self, tmp_path, rule, split, empty):
        root = write_affwild2(
            tmp_path,
            {'Train_Set/x': [0]},
            {'Validation_Set/x': [1], 'Train_Set/y': [1]},
            places={'Validation_Set/x': [(0, 0)], 'Validation_Set/y': [(0, 0)]},
        )
        tasks = ('expression', 'action_units', 'valence_arousal')
        for part in ('train', 'val'):
            assert videos(AffWild2(root, part, tasks=tasks)) == ['x', 'y'], 'keep'
        # The expression track has no y; in the next one, the action units, it is for training.
        settings = dict(tasks=tasks, shared_videos=rule)
        assert videos(AffWild2(root, split, **settings)) == ['x', 'y']
        with pytest.raises(EmptySplitError):
            AffWild2(root, empty, **settings)

    def test_the_default_is_the_protocol_of_the_paper(self, root):
        assert frames(AffWild2(root)) == frames(AffWild2(root, shared_videos='keep'))
        assert videos(AffWild2(root)) == ['a', 'x', 'y'], 'all labels of both training lists'

    def test_a_single_track_is_as_it_is(self, root):
        assert videos(AffWild2(root, tasks=('action_units',))) == ['y']


class TestSplits:
    @pytest.fixture
    def root(self, tmp_path):
        train = {f'Train_Set/{n:02d}{side}': [0] for n in range(20) for side in ('_left', '_right')}
        return write_affwild2(tmp_path, {**train, 'Validation_Set/v': [1]}, {'Train_Set/c': [1]})

    def test_published_protocol(self, root):
        assert len(AffWild2(root)) == len(AffWild2(root, 'trainval')) == 41
        val = AffWild2(root, 'val')
        assert videos(val) == ['v'] and val.test_mode and not AffWild2(root).test_mode
        with pytest.raises(EmptySplitError, match="'test' is empty.*'val'"):
            AffWild2(root, 'test')

    def test_held_out_videos_are_of_the_training_lists_and_whole(self, root):
        parts = {
            split: set(videos(AffWild2(root, split, val_ratio=0.1)))
            for split in ('train', 'val', 'trainval', 'test')
        }
        assert parts['test'] == {'v'}
        assert parts['train'] | parts['val'] == parts['trainval'] and len(parts['trainval']) == 41
        assert not parts['train'] & parts['val']
        footage = {name.partition('_')[0] for name in parts['val']}
        assert len(footage) == 2, 'a tenth of 21'
        assert not footage & {name.partition('_')[0] for name in parts['train']}


class TestLayouts:
    @pytest.mark.parametrize(
        'tracks',
        [('EXPR_Classification_Challenge', 'AU_Detection_Challenge'), ('EXPR_Set', 'AU_Set')],
    )
    def test_folders_of_other_years(self, tmp_path, tracks):
        assert len(AffWild2(write(tmp_path, tracks=tracks))) == 8

    def test_folders_of_other_names(self, tmp_path):
        root = write(tmp_path, tracks=('expr', 'au'))
        (root / 'annotations').rename(root / 'Third ABAW Annotations')
        where = dict(ann_dir='Third ABAW Annotations')
        names = dict(expression='expr', action_units='au')
        assert len(AffWild2(root, **where, track_dirs=names)) == 8
        with pytest.raises(FileNotFoundError, match="'EXPR_Set'.*track_dirs"):
            AffWild2(root, **where)

    def test_two_releases_are_ambiguous(self, tmp_path):
        root = write(tmp_path)
        (root / 'annotations/EXPR_Classification_Challenge').mkdir()
        with pytest.raises(ValueError, match="track_dirs=dict.expression='EXPR_Set'"):
            AffWild2(root)
        assert len(AffWild2(root, track_dirs=dict(expression='EXPR_Set'))) == 8

    def test_the_eighth_class_is_no_label(self, tmp_path):
        path = tmp_path / 'a.txt'
        path.write_text(f'{AFFWILD2_EXPRESSIONS},Other\n7\n0\n-1\n')
        assert read_expressions(path).tolist() == [7, 6, -1]
        root = write_affwild2(tmp_path / 'set', {'Train_Set/a': [0, 0, 0]}, {})
        path.replace(root / 'annotations/EXPR_Set/Train_Set/a.txt')
        assert frames(AffWild2(root)) == [('a', 2, 'Neutral', -1)]
        dataset = AffWild2(root, classes=(*EXPRESSIONS, 'Other'))
        assert [name for _, _, name, _ in frames(dataset)] == ['Other', 'Neutral']

    def test_a_misspelt_class_is_an_error(self, tmp_path):
        root = write_affwild2(tmp_path, {'Train_Set/a': [0, 1]}, {'Train_Set/a': [0, 1]})
        with pytest.raises(
            ValueError, match="AffWild2: classes name 'neutral'; known are .*'Other'"
        ):
            AffWild2(root, classes=('neutral', 'Anger'))

    def test_other_classes_are_skipped_and_counted(self, tmp_path, logged):
        root = write(tmp_path)
        dataset = AffWild2(root, classes=('Neutral', 'Happiness'))
        # Frame 2 of a is angry and has no action units; the other frames have.
        assert [frame[:3] for frame in frames(dataset) if frame[2] != '-'] == [
            ('a', 1, 'Happiness'),
            ('b_left', 1, 'Neutral'),
            ('b_left', 2, 'Neutral'),
        ]
        assert dataset.get_gt_labels().tolist()[:3] == [1, -1, -1]
        ((message, _),) = logged
        assert message.endswith('Skipped: 1 without a label, 1 of another class')

    def test_units_are_found_by_name(self, tmp_path):
        path = tmp_path / 'a.txt'
        path.write_text('\ufeffAU2, AU1,AU9 \r\n0,1,-1\r\n-1,0,1\r\n', encoding='utf-8')
        assert read_action_units(path, ('AU1', 'AU2')).tolist() == [[1, 0], [0, -1]]

    def test_hidden_twins_of_files_are_no_videos(self, tmp_path):
        root = write(tmp_path)
        (root / 'annotations/EXPR_Set/Train_Set/._a.txt').write_bytes(b'\0\5\26\7')
        assert len(AffWild2(root)) == 8


class TestErrors:
    @pytest.mark.parametrize(
        'folder',
        ['annotations', 'cropped_aligned', 'annotations/EXPR_Set/Train_Set', 'annotations/AU_Set'],
    )
    def test_error_names_missing_files_and_shows_the_layout(self, tmp_path, folder):
        shutil.rmtree(write(tmp_path) / folder)
        with pytest.raises(FileNotFoundError) as error:
            AffWild2(tmp_path)
        message = str(error.value)
        assert folder.split('/')[-1] in message and 'cropped_aligned/video1/00001.jpg' in message
        assert f"data_root is '{tmp_path}'" in message

    def test_error_names_videos_without_frames(self, tmp_path):
        shutil.rmtree(write(tmp_path) / 'cropped_aligned/c')
        with pytest.raises(FileNotFoundError, match="1 of 3 .*'c'"):
            AffWild2(tmp_path)

    def test_no_image_at_all(self, tmp_path):
        with pytest.raises(EmptySplitError, match=r'3 .*VIDEO/1\.png.*image_name'):
            AffWild2(write(tmp_path), image_name='{frame}.png')

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('0\n1\n', r"line 1 .*\['0'\]"),
            (f'{AFFWILD2_EXPRESSIONS}\n0\n7\n', 'line 3: .*7.*-1 to 6'),
            (f'{AFFWILD2_EXPRESSIONS}\n0\n-5\n', r'line 3: \[-5\]'),
            (f'{AFFWILD2_EXPRESSIONS}\n0\n\n1\n', 'line 3 .*empty'),
            (f'{AFFWILD2_EXPRESSIONS}\n0\nhappy\n', "line 1: .*'happy'"),
            (f'{AFFWILD2_EXPRESSIONS}\n0,1\n', '2 numbers .*1'),
        ],
    )
    def test_wrong_lines_of_expressions(self, tmp_path, text, message):
        path = tmp_path / 'video7.txt'
        path.write_text(text)
        with pytest.raises(ValueError, match=f'video7.txt.*{message}'):
            read_expressions(path)

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('AU1,AU4\n0,1\n', r"\['AU2'\] are missing"),
            ('AU1,AU2\n0,1\n2,1\n', 'line 3: .*2, 1.*-1 to 1'),
            ('AU1,AU2\n0,1,1\n', '3 numbers .*2'),
            ('AU1,AU2\n0,1\n0\n', 'below line 1'),
        ],
    )
    def test_wrong_lines_of_action_units(self, tmp_path, text, message):
        path = tmp_path / 'video7.txt'
        path.write_text(text)
        with pytest.raises(ValueError, match=f'video7.txt.*{message}'):
            read_action_units(path, ('AU1', 'AU2'))

    def test_a_file_of_names_alone_has_no_frames(self, tmp_path):
        path = tmp_path / 'video7.txt'
        path.write_text('AU1,AU2\n')
        assert read_action_units(path, ('AU1', 'AU2')).shape == (0, 2)

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(split='Train'), "split .*'Train'"),
            (dict(tasks=()), r'tasks .*\(\)'),
            (dict(tasks=('expression', 'valence')), "tasks .*'valence'"),
            (dict(frame_step=0), 'frame_step .*0'),
            (dict(shared_videos='both'), "shared_videos .*'both'"),
            (dict(shared_videos='valence_arousal'), "shared_videos .*'valence_arousal'"),
            (dict(val_ratio=1), 'val_ratio .*1'),
            (dict(track_dirs=dict(au='x')), "track_dirs .*'au'"),
        ],
    )
    def test_wrong_arguments_are_named(self, tmp_path, arguments, message):
        with pytest.raises(ValueError, match=message):
            AffWild2(tmp_path, **arguments)
