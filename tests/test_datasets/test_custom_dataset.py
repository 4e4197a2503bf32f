# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.datasets import CustomDataset


@pytest.fixture
def tree(tmp_path):
    """Make folders with an empty file of an image in each."""

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


def test_folders_have_the_numbers_of_their_names(tree):
    classes = ('Surprise', 'Joy', 'Anger')
    dataset = CustomDataset(tree('anger', 'surprise'), metainfo=dict(classes=classes))
    assert labels(dataset) == {'anger': 2, 'surprise': 0}
    assert dataset.metainfo['classes'] == classes


def test_other_names_are_given_in_alphabetical_order(tree):
    dataset = CustomDataset(tree('0_a', '1_b'), classes=['Fear', 'Anger'])
    assert labels(dataset) == {'0_a': 0, '1_b': 1}


@pytest.mark.parametrize(
    ('folders', 'classes', 'named'),
    [
        (('anger', 'backup'), ('anger', 'joy'), r"\['backup'\] are none"),
        (('x', 'y', 'z'), ('anger', 'joy'), 'are none'),
        (('anger', 'Anger'), ('anger', 'joy'), 'several are of one'),
    ],
)
def test_folders_that_fit_no_class_are_an_error(tree, folders, classes, named):
    with pytest.raises(ValueError, match=named):
        CustomDataset(tree(*folders), classes=classes)


def test_an_empty_folder_is_a_class(tree, tmp_path):
    root = tree('anger')
    (tmp_path / 'joy').mkdir()
    assert CustomDataset(root).metainfo['classes'] == ('anger', 'joy')


@pytest.mark.parametrize('label', [2, -1])
def test_a_label_of_no_class_is_an_error(tree, tmp_path, label):
    (tmp_path / 'list.txt').write_text(f'a/0.jpg 0\nb/0.jpg {label}\n')
    with pytest.raises(ValueError, match=f'list.txt gives .*b/0.jpg the label {label}'):
        CustomDataset(tree('a', 'b'), ann_file='list.txt', classes=['a', 'b'])
