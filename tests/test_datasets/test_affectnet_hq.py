# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections import Counter
from pathlib import Path

import pytest
from face_trees import write_folders

from mmfer.datasets import EXPRESSIONS, AffectNetHQ
from mmfer.datasets.splits import write_split_file

SEVEN = ('anger', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
OTHER = ('Angry', 'Disgusted', 'Fearful', 'Happiness', 'Neutral', 'Sadness', 'Surprised')
EVERYTHING = ('train', 'val', 'test')


def names(dataset):
    paths = [Path(dataset.get_data_info(i)['img_path']) for i in range(len(dataset))]
    return [f'{path.parent.name}/{path.name}' for path in paths]


def all_samples(root, **kwargs):
    """Return (folder, class name) of all images in all splits."""
    found = []
    for split in EVERYTHING:
        dataset = AffectNetHQ(root, split, **kwargs)
        classes = dataset.metainfo['classes']
        labels = [classes[label] for label in dataset.get_gt_labels()]
        found += [(n.split('/')[0], c) for n, c in zip(names(dataset), labels, strict=True)]
    return found


def test_folders_become_the_order_of_the_package(tmp_path):
    write_folders(tmp_path, dict.fromkeys(SEVEN, 12))
    dataset = AffectNetHQ(tmp_path, 'trainval')
    assert dataset.metainfo['classes'] == EXPRESSIONS
    assert Counter(all_samples(tmp_path)) == {
        ('anger', 'Anger'): 12,
        ('disgust', 'Disgust'): 12,
        ('fear', 'Fear'): 12,
        ('happy', 'Happiness'): 12,
        ('neutral', 'Neutral'): 12,
        ('sad', 'Sadness'): 12,
        ('surprise', 'Surprise'): 12,
    }


def test_other_names_of_the_folders_give_the_same_split(tmp_path):
    write_folders(tmp_path / 'a', dict.fromkeys(SEVEN, 12))
    write_folders(tmp_path / 'b', dict.fromkeys(OTHER, 12))
    translate = dict(zip(SEVEN, OTHER, strict=True))
    for split in EVERYTHING:
        ours = [n.split('/') for n in names(AffectNetHQ(tmp_path / 'a', split))]
        expected = [f'{translate[folder]}/{name}' for folder, name in ours]
        assert names(AffectNetHQ(tmp_path / 'b', split)) == expected


def test_parts_are_disjoint_and_exhaustive_and_known(tmp_path):
    write_folders(tmp_path, dict(sad=40))
    kwargs = dict(classes=['Sadness'])
    parts = {split: names(AffectNetHQ(tmp_path, split, **kwargs)) for split in EVERYTHING}
    assert sorted(sum(parts.values(), [])) == [f'sad/{i:05d}.jpg' for i in range(40)]
    numbers = {part: [int(Path(n).stem) for n in found] for part, found in parts.items()}
    # Fixed numbers: results stay comparable between versions.
    assert numbers['test'] == [7, 10, 11, 20, 28, 32]
    assert numbers['val'] == [8, 12, 14, 30, 31, 34]


def test_as_many_are_tested_as_in_the_paper(tmp_path):
    dataset = AffectNetHQ(write_folders(tmp_path, dict.fromkeys(SEVEN, 1)), 'trainval')
    parts = Counter(dataset.parts_by_rule([f'Anger/{i:05d}' for i in range(27_823)]).values())
    assert parts == dict(train=19_477, val=4_173, test=4_173)


def test_parts_have_exact_shares_whichever_classes_are_read(tmp_path):
    write_folders(tmp_path, dict.fromkeys(SEVEN, 20))
    sizes = {split: len(AffectNetHQ(tmp_path, split)) for split in EVERYTHING}
    assert sizes == dict(train=98, val=21, test=21)
    some = names(AffectNetHQ(tmp_path, 'test', classes=('Happiness', 'Fear')))
    assert set(some) == {
        name
        for name in names(AffectNetHQ(tmp_path, 'test'))
        if name.startswith(('happy/', 'fear/'))
    }


def test_classes_choose_expressions(tmp_path):
    write_folders(tmp_path, dict.fromkeys(SEVEN, 12))
    found = Counter(all_samples(tmp_path, classes=('Neutral', 'Happiness')))
    assert found == {('neutral', 'Neutral'): 12, ('happy', 'Happiness'): 12}
    labels = AffectNetHQ(tmp_path, classes=('Neutral', 'Happiness')).get_gt_labels()
    assert set(labels) == {0, 1}


def test_own_names_of_folders(tmp_path):
    write_folders(tmp_path, {'calm': 12, 'smile': 12, 'grin': 12, 'others': 1})
    folders = dict(calm='Neutral', smile='Happiness', grin='Happiness')
    kwargs = dict(folders=folders, classes=('Neutral', 'Happiness'))
    assert Counter(all_samples(tmp_path, **kwargs)) == {
        ('calm', 'Neutral'): 12,
        ('smile', 'Happiness'): 12,
        ('grin', 'Happiness'): 12,
    }


@pytest.mark.parametrize('extension', ['.png', '.JPEG', '.webp', '.bmp'])
def test_extensions(tmp_path, extension):
    write_folders(tmp_path, dict(sad=12))
    for path in (tmp_path / 'sad').iterdir():
        path.rename(path.with_suffix(extension))
    (tmp_path / 'sad/Thumbs.db').write_bytes(b'')
    assert len(all_samples(tmp_path, classes=['Sadness'])) == 12


def test_unknown_folder_is_named(tmp_path):
    write_folders(tmp_path, {'contempt': 1, 'sad': 1})
    with pytest.raises(ValueError, match="the folders 'contempt'.*sad"):
        AffectNetHQ(tmp_path)


def test_class_of_a_folder_must_be_one(tmp_path):
    write_folders(tmp_path, {'contempt': 1})
    with pytest.raises(ValueError, match="'contempt' .*folders .*'Anger'.*'Contempt'"):
        AffectNetHQ(tmp_path, folders=dict(contempt='Contempt'))


def test_missing_folders(tmp_path):
    write_folders(tmp_path, dict.fromkeys(SEVEN[1:], 1))
    with pytest.raises(FileNotFoundError, match=r"(?s)\['Anger'\].*disgust/, f"):
        AffectNetHQ(tmp_path)
    with pytest.raises(FileNotFoundError, match="/wut'"):
        AffectNetHQ(tmp_path, folders=dict(wut='Anger'))
    with pytest.raises(FileNotFoundError, match="/nowhere'"):
        AffectNetHQ(tmp_path / 'nowhere')


def test_custom_split(tmp_path):
    write_folders(tmp_path, dict(happiness=3, neutral=3))
    split = tmp_path / 'split.csv'
    write_split_file(split, [('happiness/00001.jpg', 'test'), ('happy/00002', 'test')])
    kwargs = dict(classes=('Neutral', 'Happiness'), split_file=split)
    dataset = AffectNetHQ(tmp_path, 'test', **kwargs)
    assert names(dataset) == ['happiness/00001.jpg', 'happiness/00002.jpg']
    with pytest.raises(ValueError, match="split='train' is empty"):
        AffectNetHQ(tmp_path, 'train', **kwargs)
    write_split_file(split, [('00001.jpg', 'test')])
    with pytest.raises(ValueError, match='line 2: .*00001.jpg.*"anger/'):
        AffectNetHQ(tmp_path, 'test', **kwargs)


def test_real_images(real_data):
    kwargs = dict(
        folders=dict(neutral='Neutral', happiness='Happiness'), classes=('Neutral', 'Happiness')
    )
    found = Counter(all_samples(real_data / 'smile_folders', **kwargs))
    assert found == {('neutral', 'Neutral'): 106, ('happiness', 'Happiness'): 77}
    counts = [len(AffectNetHQ(real_data / 'smile_folders', s, **kwargs)) for s in EVERYTHING]
    assert counts == [129, 27, 27]
