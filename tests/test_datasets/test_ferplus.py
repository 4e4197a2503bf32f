# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from expression_trees import fer2013_pixels, unanimous, write_ferplus
from mmengine.dataset import default_collate
from tool_calls import run_tool

from mmfer.datasets import EXPRESSIONS, EXPRESSIONS_8, FERPlus
from mmfer.datasets.ferplus_votes import (
    FERPLUS_EMOTIONS,
    majority_label,
    plurality_label,
    plurality_of_ten_label,
    soft_label,
)
from mmfer.registry import MODELS

TOOL = 'dataset_converters/fer2013_to_images.py'
EMOTIONS = tuple(FERPLUS_EMOTIONS)
#: Classes of the images in the real test data.
PARTS = ('train', 'val')
LOAD = [dict(type='LoadFaceImage'), dict(type='PackInputs')]
#: One row for each of the ten columns, in each split.
ALL = [(u, unanimous(c)) for u in ('Training', 'PublicTest', 'PrivateTest') for c in range(10)]
#: Half neutral, 30 % angry, 20 % sad: no majority, but a soft label.
SHARED = [5, 0, 0, 2, 3, 0, 0, 0, 0, 0]


def names(dataset):
    return [Path(dataset.get_data_info(i)['img_path']).name for i in range(len(dataset))]


def soft_label_step_by_step(votes):
    """The authors' procedure, one emotion at a time, on plain numbers."""
    left = {index: count for index, count in enumerate(votes) if count >= 2}
    total, label = sum(left.values()), {}
    stopped = False
    while left and not stopped and sum(label.values()) < 0.75 * total and len(label) < 3:
        most = max(left.values())
        for index in [index for index, count in left.items() if count == most]:
            if index >= 8:
                stopped = True
            elif not stopped:
                label[index] = left[index]
            del left[index]
    if sum(label.values()) <= 0.5 * total or len(label) > 3:
        return None
    return [label.get(index, 0) / sum(label.values()) for index in range(8)]


@pytest.mark.parametrize(
    ('votes', 'majority', 'soft'),
    [
        # Rows of the published file.
        ('4 0 0 1 3 2 0 0 0 0', None, dict(neutral=4 / 7, anger=3 / 7)),
        ('6 0 1 1 0 0 0 0 2 0', 'neutral', dict(neutral=1)),
        ('5 0 0 3 1 0 0 0 1 0', 'neutral', dict(neutral=5 / 8, sadness=3 / 8)),
        ('4 0 0 4 1 0 0 0 1 0', None, dict(neutral=0.5, sadness=0.5)),
        ('0 0 6 0 0 0 4 0 0 0', 'surprise', dict(surprise=0.6, fear=0.4)),
        ('0 0 0 0 0 0 0 0 0 10', None, None),
        ('5 0 1 0 0 0 0 0 4 0', 'neutral', dict(neutral=1)),
        ('0 3 2 0 4 0 1 0 0 0', None, dict(anger=4 / 7, happiness=3 / 7)),
        # Three emotions, unknown ahead, unknown tied with an emotion, four at once, nobody agrees.
        ('4 0 2 2 1 0 0 0 1 0', None, dict(neutral=0.5, surprise=0.25, sadness=0.25)),
        ('3 0 0 0 0 0 0 0 7 0', None, None),
        ('4 0 0 0 0 0 0 0 4 2', None, None),
        ('3 3 0 0 2 2 0 0 0 0', None, None),
        ('1 1 1 1 1 1 1 1 1 1', None, None),
    ],
)
def test_rules(votes, majority, soft):
    votes = np.array(votes.split(), int)
    label = majority_label(votes)
    assert (None if label is None else EMOTIONS[label.argmax()]) == majority
    assert label is None or sorted(label) == [0] * 7 + [1]
    shares = soft_label(votes)
    assert (shares is None) == (soft is None)
    if soft is not None:
        np.testing.assert_allclose(shares, [soft.get(name, 0) for name in EMOTIONS])


@pytest.mark.parametrize(
    ('votes', 'emotion'),
    [
        ('4 0 0 1 3 2 0 0 0 0', 'neutral'),  # no majority
        ('1 0 0 2 0 0 0 0 3 4', 'sadness'),  # a row of the published file, where "no face" leads
        (
            '1 0 1 0 0 0 0 0 8 0',
            'neutral',
        ),  # another one: single votes count, the first wins
        ('0 0 0 3 0 0 3 0 4 0', 'sadness'),
        ('0 0 0 4 0 0 2 0 4 0', 'sadness'),  # level with unknown
        ('0 0 0 0 0 0 0 1 9 0', 'contempt'),
        ('0 0 0 0 0 0 0 0 0 10', None),
        ('0 0 0 0 0 0 0 0 10 0', None),
    ],
)
def test_plurality(votes, emotion):
    votes = np.array(votes.split(), int)
    label = plurality_label(votes)
    known = plurality_of_ten_label(votes)
    if label is None or votes[8:].max() > votes[:8].max():
        assert known is None
    else:
        assert known.tolist() == label.tolist()
    if emotion is None:
        assert label is None
    else:
        assert label.tolist() == [float(name == emotion) for name in EMOTIONS]


def test_plurality_is_the_default_and_skips_only_images_without_a_face(tmp_path):
    no_majority, no_face = [4, 0, 0, 0, 3, 2, 0, 0, 0, 1], [0] * 9 + [10]
    write_ferplus(tmp_path, [('Training', v) for v in (no_majority, no_face, unanimous(1))])
    dataset = FERPlus(tmp_path)
    assert dataset.mode == 'plurality'
    assert [EXPRESSIONS_8[label] for label in dataset.get_gt_labels()] == ['Neutral', 'Happiness']
    assert 'gt_score' not in dataset.get_data_info(0)
    assert len(FERPlus(tmp_path, mode='majority')) == 1


def test_soft_rule_equals_the_procedure_step_by_step():
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(3000):
        votes = rng.multinomial(10, rng.dirichlet(np.full(10, rng.choice([0.2, 0.5, 1.0]))))
        shares, expected = soft_label(votes), soft_label_step_by_step(votes.tolist())
        assert (shares is None) == (expected is None), votes
        if expected is not None:
            np.testing.assert_allclose(shares, expected)
            kept += 1
    assert 1000 < kept < 2900


def test_columns_become_the_order_of_the_package(tmp_path):
    dataset = FERPlus(write_ferplus(tmp_path, ALL))
    assert dataset.metainfo['classes'] == EXPRESSIONS_8 == (*EXPRESSIONS, 'Contempt')
    assert [EXPRESSIONS_8[label] for label in dataset.get_gt_labels()] == [
        'Neutral',
        'Happiness',
        'Surprise',
        'Sadness',
        'Anger',
        'Disgust',
        'Fear',
        'Contempt',
    ]


def test_splits_and_what_is_skipped(tmp_path):
    write_ferplus(tmp_path, ALL)
    parts = {split: names(FERPlus(tmp_path, split)) for split in ('train', 'val', 'test')}
    assert parts['train'] == [f'fer{number:07d}.png' for number in range(8)]
    assert parts['val'] == [f'fer{number:07d}.png' for number in range(10, 18)]
    assert parts['test'] == [f'fer{number:07d}.png' for number in range(20, 28)]
    assert names(FERPlus(tmp_path, 'trainval')) == parts['train'] + parts['val']
    assert FERPlus(tmp_path, 'val').test_mode and not FERPlus(tmp_path).test_mode


def test_soft_labels(tmp_path):
    write_ferplus(tmp_path, [('Training', SHARED), ('Training', unanimous(7))])
    assert len(FERPlus(tmp_path, mode='majority')) == 1, 'no majority'
    dataset = FERPlus(tmp_path, mode='soft')
    shared, contempt = (dataset.get_data_info(index) for index in range(2))
    expected = dict(Neutral=5 / 8, Anger=3 / 8)  # together four fifths, sadness comes too late
    np.testing.assert_allclose(
        shared['gt_score'], [expected.get(name, 0) for name in EXPRESSIONS_8], rtol=1e-6
    )
    assert EXPRESSIONS_8[shared['gt_label']] == 'Neutral'
    assert shared['gt_score'].dtype == np.float32
    assert contempt['gt_label'] == 7 and contempt['gt_score'].tolist() == [0] * 7 + [1]


def test_other_classes(tmp_path):
    rows = [('Training', SHARED), ('Training', unanimous(7)), ('Training', unanimous(4))]
    write_ferplus(tmp_path, rows)
    dataset = FERPlus(tmp_path, mode='soft', classes=('Contempt', 'Neutral', 'Sadness'))
    assert dataset.get_gt_labels().tolist() == [1, 0], 'without the angry one'
    assert dataset.get_data_info(0)['gt_score'].tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="classes .*'calm'"):
        FERPlus(tmp_path, classes=('calm',))


def test_pixels_come_out_of_the_table(tmp_path):
    dataset = FERPlus(write_ferplus(tmp_path, ALL), 'val', pipeline=LOAD)
    image = dataset[2]['inputs']
    assert image.shape == (3, 48, 48)
    for channel in image:
        np.testing.assert_array_equal(channel, fer2013_pixels(12))


def test_columns_in_another_order(tmp_path):
    write_ferplus(tmp_path, ALL[:3])
    lines = [line.split(',') for line in (tmp_path / 'fer2013.csv').read_text().splitlines()]
    lines = [f'{emotion}, {usage}, {pixels}' for emotion, pixels, usage in lines]
    (tmp_path / 'fer2013.csv').write_text('\r\n'.join(lines))
    image = FERPlus(tmp_path, pipeline=LOAD)[2]['inputs']
    np.testing.assert_array_equal(image[0], fer2013_pixels(2))


@pytest.mark.parametrize('loss', ['CrossEntropyLoss', 'LabelSmoothLoss'])
def test_losses_take_soft_labels(tmp_path, loss):
    write_ferplus(tmp_path, [('Training', SHARED), ('Training', unanimous(7))])
    dataset = FERPlus(tmp_path, mode='soft', pipeline=LOAD)
    batch = default_collate([dataset[0], dataset[1]])
    batch = MODELS.build(dict(type='FaceDataPreprocessor', num_classes=8))(batch, training=True)
    smoothing = dict(label_smooth_val=0.1) if loss == 'LabelSmoothLoss' else {}
    head = MODELS.build(
        dict(type='LinearClsHead', num_classes=8, in_channels=4, loss=dict(type=loss, **smoothing))
    )
    features = torch.randn(2, 4)
    result = head.loss((features,), batch['data_samples'])['loss']
    targets = np.stack([dataset.get_data_info(index)['gt_score'] for index in range(2)])
    if smoothing:
        targets = 0.9 * targets + 0.1 / 8
    scores = torch.log_softmax(head.fc(features), dim=1).detach().numpy()
    assert result.item() == pytest.approx(-(targets * scores).sum(1).mean(), rel=1e-5)


def test_images_as_files(tmp_path):
    write_ferplus(tmp_path, ALL)
    there = tmp_path / 'images/FER2013Train/fer0000000.png'
    there.parent.mkdir(parents=True)
    cv2.imwrite(str(there), fer2013_pixels(0))
    done = run_tool(TOOL, tmp_path, tmp_path / 'images')
    assert done.returncode == 0 and '27 images, 26 of them new' in done.stdout, done.stderr
    assert sorted(path.name for path in (tmp_path / 'images').iterdir()) == [
        'FER2013Test',
        'FER2013Train',
        'FER2013Valid',
    ]
    image = cv2.imread(str(tmp_path / 'images/FER2013Valid/fer0000012.png'), -1)
    np.testing.assert_array_equal(image, fer2013_pixels(12))

    for split in ('train', 'test'):
        table = FERPlus(tmp_path, split, pipeline=LOAD)
        files = FERPlus(tmp_path, split, pipeline=LOAD, image_dir='images')
        assert len(table) == len(files) == 8
        assert torch.equal(table[3]['inputs'], files[3]['inputs'])
    (tmp_path / 'images/FER2013Train/fer0000001.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 8 '):
        FERPlus(tmp_path, image_dir='images')

    (tmp_path / 'fer2013.csv').unlink()
    assert len(FERPlus(tmp_path, 'test', image_dir='images')) == 8, 'the table is not needed'
    assert len(FERPlus(tmp_path, 'test')) == 8, 'and images are found where it is not there'
    failed = run_tool(TOOL, tmp_path, tmp_path / 'images')
    assert failed.returncode == 2 and 'fer2013.csv' in failed.stderr


def test_a_row_without_a_face_may_have_the_name_of_another_image(tmp_path):
    """As in line 34,336 of the published table."""
    write_ferplus(tmp_path, ALL)
    path = tmp_path / 'fer2013new.csv'
    nameless = 'PrivateTest,,0,0,0,0,0,0,0,0,0,10'
    named = nameless.replace(',', ',fer0000021.png', 1)
    path.write_text(path.read_text().replace(nameless, named))
    assert len(FERPlus(tmp_path, 'test')) == 8
    assert run_tool(TOOL, tmp_path, tmp_path / 'images').returncode == 0
    image = cv2.imread(str(tmp_path / 'images/FER2013Test/fer0000021.png'), -1)
    np.testing.assert_array_equal(image, fer2013_pixels(21))
    label = ',0,10,0,0,0,0,0,0,0,0'
    path.write_text(path.read_text() + f'PrivateTest,fer0000020.png{label}\n')
    with pytest.raises(ValueError, match='contradicts line'):
        FERPlus(tmp_path, 'test', image_dir='images')


def test_published_table(real_data):
    root = real_data / 'ferplus_layout'
    counts = {
        mode: [len(FERPlus(root, split, mode=mode, image_dir='images')) for split in PARTS]
        for mode in ('plurality', 'plurality-of-ten', 'majority')
    }
    assert counts == {
        'plurality': [28559, 3579],
        'plurality-of-ten': [28389, 3553],
        'majority': [25060, 3199],
    }


@pytest.mark.parametrize('name', ['../../evil.png', '/evil.png', '..\\evil.png'])
def test_no_image_is_written_outside(tmp_path, name):
    write_ferplus(tmp_path, ALL)
    path = tmp_path / 'fer2013new.csv'
    path.write_text(path.read_text().replace('fer0000003.png', name))
    before = sorted(tmp_path.rglob('*'))
    done = run_tool(TOOL, tmp_path, tmp_path / 'b/images')
    assert done.returncode == 2 and 'fer2013new.csv names' in done.stderr
    assert sorted(tmp_path.rglob('*')) == before


def test_broken_row_counts_as_a_bad_image(tmp_path):
    write_ferplus(tmp_path, ALL)
    path = tmp_path / 'fer2013.csv'
    lines = path.read_text().splitlines()
    for number in (1, 21):  # the first of training and of testing
        emotion, pixels, usage = lines[number].split(',')
        lines[number] = f'{emotion},256 {pixels.split(maxsplit=1)[1]},{usage}'
    path.write_text('\n'.join(lines))
    with pytest.raises(OSError, match='(?s)fer0000020.png.*2304'):
        FERPlus(tmp_path, 'test', pipeline=LOAD)[0]
    assert FERPlus(tmp_path, 'train', pipeline=LOAD)[0]['inputs'].shape == (3, 48, 48)
    with pytest.raises(RuntimeError, match='1 images of FERPlus'):
        FERPlus(tmp_path, 'train', pipeline=LOAD, max_bad_images=0)[0]


@pytest.mark.parametrize(
    ('file', 'old', 'new', 'message'),
    [
        ('fer2013new.csv', 'Image name,', '', "'Image name'"),
        ('fer2013new.csv', 'png,10,', 'png,ten,', 'line 2: .*usage'),
        ('fer2013new.csv', 'Training,fer', 'Test,fer', 'line 2: .*usage'),
        ('fer2013new.csv', 'PublicTest', 'Training', '30 rows.*30 rows'),
        ('fer2013.csv', 'emotion,pixels', 'emotion,faces', "line 1: .*'pixels' and 'Usage'"),
        ('fer2013.csv', '\n0,', '\n', 'line 2: 2 .*3'),
    ],
)
def test_error_names_what_is_wrong_in_a_file(tmp_path, file, old, new, message):
    path = write_ferplus(tmp_path, ALL) / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as error:
        FERPlus(tmp_path)
    assert file in str(error.value)


@pytest.mark.parametrize('file', ['fer2013new.csv', 'fer2013.csv'])
def test_error_names_a_missing_file_and_shows_the_layout(tmp_path, file):
    (write_ferplus(tmp_path, ALL) / file).unlink()
    with pytest.raises(FileNotFoundError, match='fer2013_to_images.py') as e:
        FERPlus(tmp_path)
    assert f"'{tmp_path / file}'" in str(e.value) and f"data_root is '{tmp_path}'" in str(e.value)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='Training'), "split .*'Training'"),
        (dict(mode='probability'), "mode .*'probability'"),
    ],
)
def test_wrong_arguments_are_errors(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        FERPlus(tmp_path, **kwargs)
