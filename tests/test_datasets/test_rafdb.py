# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import shutil
from collections import Counter
from pathlib import Path

import pytest
from face_trees import write_image
from rafdb_tree import write_rafdb
from tool_calls import run_tool

from mmfer.datasets import EXPRESSIONS, RAFDB
from mmfer.utils.atomic_file import atomic_write_csv


def names(dataset):
    return [Path(dataset.get_data_info(i)['img_path']).name for i in range(len(dataset))]


def test_numbers_of_the_files_become_the_order_of_the_package(tmp_path):
    dataset = RAFDB(write_rafdb(tmp_path), split='train')
    official = ['Surprise', 'Fear', 'Disgust', 'Happiness', 'Sadness', 'Anger', 'Neutral']
    assert [EXPRESSIONS[label] for label in dataset.get_gt_labels()] == official
    assert dataset.metainfo['classes'] == EXPRESSIONS


def test_splits_without_holdout(tmp_path):
    write_rafdb(tmp_path, train=[1, 2, 3], test=[4, 5])
    train = ['train_00001_aligned.jpg', 'train_00002_aligned.jpg', 'train_00003_aligned.jpg']
    assert names(RAFDB(tmp_path, split='train')) == train
    assert names(RAFDB(tmp_path, split='trainval')) == train
    assert names(RAFDB(tmp_path, split='test')) == [
        'test_0001_aligned.jpg',
        'test_0002_aligned.jpg',
    ]
    with pytest.raises(ValueError, match="split='val' .*val_ratio=0"):
        RAFDB(tmp_path, split='val')


def test_holdout_parts_the_training_list(tmp_path):
    write_rafdb(tmp_path, train=[4] * 20 + [6] * 10)
    parts = {
        split: names(RAFDB(tmp_path, split=split, val_ratio=0.2))
        for split in ('train', 'val', 'trainval', 'test')
    }
    assert len(parts['val']) == 6
    assert not set(parts['train']) & set(parts['val'])
    assert set(parts['train']) | set(parts['val']) == set(parts['trainval'])
    assert all(name.startswith('test_') for name in parts['test'])


def test_root_may_be_the_basic_folder_itself(tmp_path):
    write_rafdb(tmp_path)
    assert names(RAFDB(tmp_path / 'basic')) == names(RAFDB(tmp_path))


def test_own_alignment_in_another_folder(tmp_path):
    write_rafdb(tmp_path, train=[1, 2], test=[3])
    own = tmp_path / 'basic/aligned224'
    own.mkdir()
    for path in (tmp_path / 'basic/Image/aligned').iterdir():
        shutil.copy(path, own / path.name.replace('_aligned.jpg', '.png'))
    dataset = RAFDB(tmp_path, image_dir='aligned224', image_name='{stem}.png')
    assert names(dataset) == ['train_00001.png', 'train_00002.png']


ALIGNED = dict(image_dir='Image/aligned_224', image_name='{stem}.jpg')


def write_report(folder, faces):
    """Write a report like align_faces.py; ``faces`` lists the images with a face."""
    columns = ['path', 'decision', 'reason', 'output']
    rows = [
        [name, 'aligned', 'only face', name] if face else [name, 'refused', 'no face', None]
        for name, face in faces.items()
    ]
    atomic_write_csv(folder / 'alignment.csv', [columns, *rows])


def without_faces(root, *names):
    folder = root / 'basic/Image/aligned_224'
    faces = {path.name: path.name not in names for path in sorted(folder.iterdir())}
    for name in names:
        (folder / name).unlink()
    return folder, faces


def test_images_without_an_aligned_face_are_skipped(tmp_path, logged):
    folder, faces = without_faces(write_rafdb(tmp_path), 'train_00002.jpg', 'test_0001.jpg')
    with pytest.raises(FileNotFoundError, match='(?s)1 of 7 .*train_00002.jpg'):
        RAFDB(tmp_path, **ALIGNED)
    write_report(folder, faces)
    train = RAFDB(tmp_path, **ALIGNED)
    assert logged[-1][0].startswith('RAFDB, train: 1 of 7 images are skipped')
    assert names(train) == [f'train_{number:05d}.jpg' for number in (1, 3, 4, 5, 6, 7)]
    test = RAFDB(tmp_path, split='test', **ALIGNED)
    assert names(test) == ['test_0002.jpg']
    assert train.num_skipped == test.num_skipped == 1
    assert 'num_skipped: \t1' in repr(train)
    assert len(RAFDB(tmp_path)) == 7 and RAFDB(tmp_path).num_skipped == 0

    (folder / 'train_00003.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='(?s)1 of 6 .*train_00003.jpg'):
        RAFDB(tmp_path, **ALIGNED)


def test_an_added_face_is_read_unless_it_is_listed(tmp_path, logged):
    write_report(*without_faces(write_rafdb(tmp_path), 'train_00002.jpg', 'train_00004.jpg'))
    write_image(tmp_path / 'basic/Image/aligned_224/train_00002.jpg')
    dataset = RAFDB(tmp_path, **ALIGNED)
    assert len(dataset) == 6 and 'train_00002.jpg' in names(dataset)
    assert len(RAFDB(tmp_path, skip_list='alignment.csv', **ALIGNED)) == 5
    (tmp_path / 'missed.txt').write_text('train_2.jpg')  # nothing is called like that
    with pytest.raises(FileNotFoundError, match='train_00004'):
        RAFDB(tmp_path, skip_list=str(tmp_path / 'missed.txt'), **ALIGNED)
    assert '0 of 7 images are skipped' in logged[-1][0]


@pytest.mark.parametrize(
    'name',
    [
        'train_00002.jpg',
        'train_00002_aligned.jpg',
        'train_00002',
        r'Image\original\train_00002.jpg',
    ],
)
def test_images_may_be_listed_by_name(tmp_path, name):
    without_faces(write_rafdb(tmp_path), 'train_00002.jpg')
    (tmp_path / 'missed.txt').write_text(f'# no face found, by MTCNN\n\n  {name}\n')
    dataset = RAFDB(tmp_path, skip_list=str(tmp_path / 'missed.txt'), **ALIGNED)
    assert len(dataset) == 6 and dataset.num_skipped == 1
    with pytest.raises(FileNotFoundError, match='nothing.txt'):
        RAFDB(tmp_path, skip_list='nothing.txt', **ALIGNED)


def test_another_table_is_no_skip_list(tmp_path):
    path = write_rafdb(tmp_path) / 'table.csv'
    path.write_text('path,label\ntrain_00002.jpg,3\n')
    with pytest.raises(ValueError, match="table.csv.*'decision'"):
        RAFDB(tmp_path, skip_list=str(path))


def test_skipping_moves_no_image_to_another_part(tmp_path):
    write_rafdb(tmp_path, train=[4] * 40)
    whole = names(RAFDB(tmp_path, split='val', val_ratio=0.2, **ALIGNED))
    folder, faces = without_faces(tmp_path, whole[3], 'train_00001.jpg')
    write_report(folder, faces)
    rest = names(RAFDB(tmp_path, split='val', val_ratio=0.2, **ALIGNED))
    assert rest == [name for name in whole if faces[name]]


def test_without_aligned_faces_the_error_says_how_to_make_them(tmp_path):
    shutil.rmtree(write_rafdb(tmp_path) / 'basic/Image/aligned_224')
    with pytest.raises(FileNotFoundError) as error:
        RAFDB(tmp_path, **ALIGNED)
    message = str(error.value)
    (command,) = [line for line in message.splitlines() if 'align_faces.py' in line]
    words = command.split()
    assert words[:2] == ['python', 'tools/dataset_converters/align_faces.py']
    # The tool accepts these options: it fails because of missing images, not of its arguments.
    done = run_tool('dataset_converters/align_faces.py', *words[2:])
    assert done.returncode == 2 and 'Image/original' in done.stderr, done.stderr
    assert "image_dir='Image/aligned'" in message


def as_on_kaggle(root, table=True):
    """Move the crops into folders by their labels, and remove everything else."""
    tables = {'train': ['image,label'], 'test': ['image,label']}
    lines = (root / 'basic/EmoLabel/list_patition_label.txt').read_text().splitlines()
    for name, label in map(str.split, lines):
        part, crop = name.partition('_')[0], name.replace('.jpg', '_aligned.jpg')
        tables[part].append(f'{crop},{label}')
        for number in range(1, 8):
            (root / f'DATASET/{part}/{number}').mkdir(parents=True, exist_ok=True)
        (root / f'basic/Image/aligned/{crop}').rename(root / f'DATASET/{part}/{label}/{crop}')
    for part, rows in tables.items() if table else ():
        (root / f'{part}_labels.csv').write_text('\n'.join(rows) + '\n')
    shutil.rmtree(root / 'basic')
    return root


@pytest.mark.parametrize('table', [True, False])
def test_folders_of_labels_are_the_same_dataset(tmp_path, table):
    official = write_rafdb(tmp_path / 'a', [4, 1, 7, 2, 6, 3, 5] * 6, [2, 7, 1])
    kaggle = as_on_kaggle(write_rafdb(tmp_path / 'b', [4, 1, 7, 2, 6, 3, 5] * 6, [2, 7, 1]), table)
    for split, val_ratio in (('train', 0), ('test', 0), ('train', 0.2), ('val', 0.2)):
        expected = RAFDB(official, split=split, val_ratio=val_ratio)
        for root in (kaggle, kaggle / 'DATASET'):
            dataset = RAFDB(root, split=split, val_ratio=val_ratio)
            assert names(dataset) == names(expected)
            assert dataset.get_gt_labels().tolist() == expected.get_gt_labels().tolist()
            assert dataset.metainfo == expected.metainfo
    assert RAFDB(kaggle, pipeline=[dict(type='LoadFaceImage')])[0]['img'].shape == (24, 24, 3)


def test_folders_of_labels_with_faces_of_another_folder(tmp_path):
    root = as_on_kaggle(write_rafdb(tmp_path))
    with pytest.raises(FileNotFoundError, match='(?s)not the photographs.*rafdb-crops'):
        RAFDB(root, **ALIGNED)
    own = root / 'Image/aligned_224'
    for number in (1, 2, 4, 5, 6, 7):
        write_image(own / f'train_{number:05d}.jpg')
    with pytest.raises(FileNotFoundError, match='(?s)1 of 7 .*aligned_224/train_00003.jpg'):
        RAFDB(root, **ALIGNED)
    write_report(own, {'train_00003.jpg': False})
    dataset = RAFDB(root, **ALIGNED)
    assert len(dataset) == 6 and dataset.num_skipped == 1


def test_folders_and_table_have_to_agree(tmp_path):
    root = as_on_kaggle(write_rafdb(tmp_path))
    wrong = root / 'DATASET/train/5/train_00003_aligned.jpg'
    (root / 'DATASET/train/3/train_00003_aligned.jpg').rename(wrong)
    with pytest.raises(ValueError, match='train_labels.csv.* in 1 images: train_00003.jpg is '):
        RAFDB(root)
    assert len(RAFDB(root, split='test')) == 2
    (root / 'train_labels.csv').unlink()
    assert len(RAFDB(root)) == 7
    shutil.copy(wrong, root / 'DATASET/train/6')
    with pytest.raises(ValueError, match="(?s)train/6/train_00003.*'Sadness' there, 'Anger' here"):
        RAFDB(root)


@pytest.mark.parametrize('name', ['test_0003_aligned.jpg', 'happy_1.jpg'])
def test_foreign_images_in_folders_of_labels(tmp_path, name):
    root = as_on_kaggle(write_rafdb(tmp_path))
    write_image(root / 'DATASET/train/4' / name)
    with pytest.raises(ValueError, match=f'{name}.* like train_00001_aligned.jpg'):
        RAFDB(root)


def test_a_missing_folder_of_a_label(tmp_path):
    root = as_on_kaggle(write_rafdb(tmp_path))
    shutil.rmtree(root / 'DATASET/train/2')
    with pytest.raises(FileNotFoundError, match="(?s)DATASET/train/2' does not.*train_labels.csv"):
        RAFDB(root)


def test_only_evaluation_splits_are_strict(tmp_path):
    write_rafdb(tmp_path)
    assert RAFDB(tmp_path, split='test').test_mode
    assert not RAFDB(tmp_path, split='train').test_mode
    assert RAFDB(tmp_path, split='train', test_mode=True).test_mode


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='validation'), "split .*'validation'"),
        (dict(val_ratio=1.0), 'val_ratio .*1.0'),
        (dict(max_bad_images=-1), 'max_bad_images .*-1'),
    ],
)
def test_wrong_arguments_are_errors(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        RAFDB(tmp_path, **kwargs)


@pytest.mark.parametrize(
    'missing',
    ['basic', 'basic/EmoLabel', 'basic/EmoLabel/list_patition_label.txt', 'basic/Image/aligned'],
)
def test_error_names_missing_files_and_shows_the_layout(tmp_path, missing):
    path = write_rafdb(tmp_path) / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError) as error:
        RAFDB(tmp_path)
    message = str(error.value)
    first_missing = path / 'Image/aligned' if missing == 'basic' else path
    assert f"'{first_missing}" in message
    assert 'list_patition_label.txt' in message and 'train_00001_aligned.jpg' in message
    assert f"data_root is '{tmp_path}'" in message


def test_missing_root(tmp_path):
    with pytest.raises(FileNotFoundError, match="/nowhere'"):
        RAFDB(tmp_path / 'nowhere')


def test_missing_images_are_counted_and_the_first_named(tmp_path):
    write_rafdb(tmp_path, train=[1] * 9)
    for number in range(2, 10):
        (tmp_path / f'basic/Image/aligned/train_{number:05d}_aligned.jpg').unlink()
    with pytest.raises(FileNotFoundError) as error:
        RAFDB(tmp_path)
    message = str(error.value)
    assert '8 of 9 listed images are missing' in message
    assert 'train_00002_aligned.jpg' in message and 'train_00006_aligned.jpg' in message
    assert 'train_00007_aligned.jpg' not in message and 'and 3 more' in message


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('train_00002.jpg 8', "label '8'"),
        ('train_00002.jpg 0', "label '0'"),
        ('train_00002.jpg -1', "label '-1'"),
        ('train_00002.jpg fear', "label 'fear'"),
        ('train_00002.jpg', 'not like'),
        ('validation_2.jpg 3', 'not like'),
    ],
)
def test_bad_line_is_named(tmp_path, line, message):
    write_rafdb(tmp_path)
    path = tmp_path / 'basic/EmoLabel/list_patition_label.txt'
    path.write_text(f'train_00001.jpg 1\n{line}\n')
    with pytest.raises(ValueError, match=f"list_patition_label.txt, line 2: '{line}': {message}"):
        RAFDB(tmp_path)


def test_empty_split_is_an_error(tmp_path):
    write_rafdb(tmp_path, test=[])
    with pytest.raises(ValueError, match="RAFDB.*split='test'"):
        RAFDB(tmp_path, split='test')


def test_classes_are_mapped_by_name(tmp_path):
    write_rafdb(tmp_path, train=[7, 4], test=[1])
    dataset = RAFDB(tmp_path, metainfo=dict(classes=sorted(EXPRESSIONS)))
    assert dataset.get_gt_labels().tolist() == [4, 3]


def test_real_images(real_data):
    root = real_data / 'rafdb_layout'
    train = RAFDB(root, pipeline=[dict(type='LoadFaceImage')])
    assert (len(train), len(RAFDB(root, split='test'))) == (6128, 885)
    assert train[0]['img'].shape == (112, 112, 3)
    counts = Counter(EXPRESSIONS[label] for label in train.get_gt_labels())
    assert counts.most_common(1)[0][0] in ('Neutral', 'Happiness')
    assert counts['Fear'] < 20 and counts['Disgust'] < 20
    held_out = RAFDB(root, split='val', val_ratio=0.1)
    assert len(held_out) == pytest.approx(613, abs=4)
