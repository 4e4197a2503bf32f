# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import cv2
import numpy as np
import pytest
from face_trees import write_folders

from mmfer.datasets import CustomDataset
from mmfer.datasets.transforms import UnreadableImageError


@pytest.fixture
def tree(tmp_path):
    """Make folders with an empty image file in each."""

    def _tree(*folders):
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / '0.jpg').touch()
        return str(tmp_path)

    return _tree


def labels(dataset):
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return {info['img_path'].split('/')[-2]: info['gt_label'] for info in infos}


def test_junk_is_no_class_and_no_image(tree, tmp_path):
    root = tree('.ipynb_checkpoints', '__MACOSX', 'anger', 'joy', 'joy/.ipynb_checkpoints')
    (tmp_path / 'anger/._0.jpg').touch()
    dataset = CustomDataset(root)
    assert dataset.metainfo['classes'] == ('anger', 'joy')
    assert labels(dataset) == {'anger': 0, 'joy': 1} and len(dataset) == 2


def test_images_are_found_by_content_and_others_named(tree, tmp_path, skipped):
    root = tree('a', 'b')
    image = cv2.imencode('.webp', np.full((4, 4, 3), 9, np.uint8))[1].tobytes()
    for name in ('1.webp', '2', '3.jfif'):
        (tmp_path / 'a' / name).write_bytes(image)
    (tmp_path / 'b/x.zip').write_bytes(b'PK')
    names = ['0.jpg', '1.webp', '2', '3.jfif']
    for kwargs in ({}, dict(with_label=False)):
        dataset = CustomDataset(root, **kwargs)
        found = [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]
        assert found == [*(f'{root}/a/{name}' for name in names), f'{root}/b/0.jpg']
    assert '1 skipped (no image): b/x.zip' in skipped[-1]
    assert len(CustomDataset(root, extensions=['.jpg', '.webp'])) == 3
    assert '3 skipped (no .jpg or .webp): a/2, a/3.jfif, b/x.zip' in skipped[-1]


def test_a_link_that_leads_back_adds_nothing(tree, tmp_path):
    root = tree('a', 'b')
    (tmp_path / 'a/loop').symlink_to(tmp_path / 'a', target_is_directory=True)
    assert labels(CustomDataset(root)) == {'a': 0, 'b': 1} and len(CustomDataset(root)) == 2


def test_folders_have_the_numbers_of_their_names(tree):
    classes = ('Surprise', 'Joy', 'Anger')
    dataset = CustomDataset(tree('anger', 'surprise'), metainfo=dict(classes=classes))
    assert labels(dataset) == {'anger': 2, 'surprise': 0}
    assert dataset.metainfo['classes'] == classes


def test_expressions_may_be_called_otherwise(tree):
    classes = ('Surprise', 'Happiness', 'Anger')
    dataset = CustomDataset(tree('angry', 'Happy', 'surprised'), classes=classes)
    assert labels(dataset) == {'angry': 2, 'Happy': 1, 'surprised': 0}
    with pytest.raises(ValueError, match='several match one'):
        CustomDataset(tree('anger'), classes=classes)


def test_other_names_are_given_in_alphabetical_order(tree):
    dataset = CustomDataset(tree('0_a', '1_b'), classes=['Fear', 'Anger'])
    assert labels(dataset) == {'0_a': 0, '1_b': 1}


@pytest.mark.parametrize(
    ('folders', 'classes', 'named'),
    [
        (('anger', 'backup'), ('anger', 'joy'), "'backup' match none"),
        (('x', 'y', 'z'), ('anger', 'joy'), 'match none'),
        (('anger', 'Anger'), ('anger', 'joy'), 'several match one'),
    ],
)
def test_folders_that_fit_no_class_are_an_error(tree, folders, classes, named):
    with pytest.raises(ValueError, match=named):
        CustomDataset(tree(*folders), classes=classes)


def test_a_part_of_the_classes_is_selected(tree, logged):
    dataset = CustomDataset(tree('anger', 'joy', 'neutral'), classes=['Neutral', 'Joy'])
    assert labels(dataset) == {'neutral': 0, 'joy': 1}
    assert "1 samples are skipped, their folders ('anger')" in logged[-1][0]
    with pytest.raises(ValueError, match='classes is empty'):
        CustomDataset(dataset.data_root, classes=[])
    names = Path(dataset.data_root).parent / 'names.txt'
    names.write_text('\n')
    with pytest.raises(ValueError, match='names.txt.* without names'):
        CustomDataset(dataset.data_root, classes=str(names))


def test_an_empty_folder_is_a_class(tree, tmp_path):
    root = tree('anger')
    (tmp_path / 'joy').mkdir()
    assert CustomDataset(root).metainfo['classes'] == ('anger', 'joy')


def test_a_negative_label_is_an_error_without_classes_too(tree, tmp_path):
    (tmp_path / 'list.txt').write_text('a/0.jpg -1\n')
    with pytest.raises(ValueError, match='the label -1'):
        CustomDataset(data_root=tree('a'), ann_file='list.txt')


@pytest.mark.parametrize('label', [2, -1])
def test_a_label_of_no_class_is_an_error(tree, tmp_path, label):
    (tmp_path / 'list.txt').write_text(f'a/0.jpg 0\nb/0.jpg {label}\n')
    with pytest.raises(ValueError, match=f'list.txt gives .*b/0.jpg the label {label}'):
        CustomDataset(tree('a', 'b'), ann_file='list.txt', classes=['a', 'b'])


@pytest.fixture
def faces(tmp_path):
    """Two classes of six images each, the first of them damaged."""
    root = write_folders(tmp_path, dict(anger=6, joy=6))
    (root / 'anger/00000.jpg').write_bytes(b'none')
    return root


LOAD = [dict(type='LoadFaceImage')]
AUGMENT = [*LOAD, dict(type='RandomFlipFace', prob=0.5)]


def test_bad_images_are_replaced_in_training(faces, logged):
    dataset = CustomDataset(str(faces), pipeline=AUGMENT)
    assert not dataset[0]['img_path'].endswith('anger/00000.jpg')
    assert len(logged) == 1 and 'CustomDataset: ' in logged[0][0] and 'anger/00000' in logged[0][0]
    with pytest.raises(RuntimeError, match='1 images of CustomDataset .*max_bad_images=0'):
        CustomDataset(str(faces), pipeline=AUGMENT, max_bad_images=0)[0]


def test_all_bad_images_are_an_error(faces, logged):
    for path in faces.rglob('*.jpg'):
        path.write_bytes(b'none')
    with pytest.raises(RuntimeError, match='11 images of CustomDataset'):
        CustomDataset(str(faces), pipeline=AUGMENT)[0]
    with pytest.raises(RuntimeError, match='all 12 images of CustomDataset'):
        CustomDataset(str(faces), pipeline=AUGMENT, max_bad_images=11)[0]


@pytest.mark.parametrize('options', [dict(), dict(test_mode=True)])
def test_a_bad_image_is_an_error_in_evaluation(faces, options):
    with pytest.raises(UnreadableImageError, match='anger/00000.jpg'):
        CustomDataset(str(faces), pipeline=LOAD, **options)[0]
    with pytest.raises(UnreadableImageError, match='anger/00000.jpg'):
        CustomDataset(str(faces), pipeline=AUGMENT, test_mode=True)[0]


def test_training_without_augmentation_can_say_what_it_is(faces, logged):
    CustomDataset(str(faces), pipeline=LOAD, test_mode=False)[0]
    assert len(logged) == 1


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_lists_of_all_encodings(tree, tmp_path, encoding):
    root = tree('a', 'b')
    path = tmp_path / 'list.txt'
    path.write_text('a/0.jpg 0\r\nb/an image.jpg\t1\n\n', encoding=encoding)
    dataset = CustomDataset(data_root=root, ann_file='list.txt', classes=['a', 'b'])
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [info['gt_label'] for info in infos] == [0, 1]
    assert infos[1]['img_path'] == f'{root}/b/an image.jpg'
    path.write_text('a/0.jpg\n', encoding=encoding)
    plain = CustomDataset(data_root=root, ann_file='list.txt', with_label=False)
    assert plain.get_data_info(0)['img_path'] == f'{root}/a/0.jpg'


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('b/0.jpg', 'not like'),
        ('b/0.jpg x', 'not like'),
        ('b/0.jpg 1.0', 'not like'),
        ('a/0.jpg 1', 'contradicts line 1'),
    ],
)
def test_wrong_lines_are_named(tree, tmp_path, line, message):
    (tmp_path / 'list.txt').write_text(f'a/0.jpg 0\n{line}\n')
    with pytest.raises(ValueError, match=rf'list.txt, line 2: .*{message}'):
        CustomDataset(data_root=tree('a', 'b'), ann_file='list.txt', classes=['a', 'b'])
