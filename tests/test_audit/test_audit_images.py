# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from expression_trees import expw_line, write_affwild2, write_expw
from face_trees import write_cfp, write_folders
from mmengine.config import Config
from PIL import Image
from rafdb_tree import write_rafdb

from mmfer.audit import (
    audit,
    merge_equal,
    split_of_folder,
    splits_of_config,
    to_text,
    write_report,
)
from mmfer.audit.report import TITLES


def loader(**dataset):
    return dict(dataset=dataset)


def rafdb(root, split='train', **options):
    return dict(type='RAFDB', data_root=str(root), split=split, **options)


def test_loaders_of_a_config_without_what_wrappers_repeat(tmp_path):
    root = write_rafdb(tmp_path, train=(1, 2, 3, 4, 4, 4, 4, 4), test=(7, 4))
    cfg = Config(
        dict(
            train_dataloader=loader(
                type='ClassBalancedDataset', oversample_thr=0.5, dataset=rafdb(root)
            ),
            val_dataloader=loader(**rafdb(root, 'test')),
            test_dataloader=loader(
                type='RepeatDataset',
                times=3,
                dataset=dict(type='ConcatDataset', datasets=[rafdb(root, 'test'), rafdb(root)]),
            ),
        )
    )
    train, val, test = splits_of_config(cfg, 'a:')
    assert [split.name for split in (train, val, test)] == ['a:train', 'a:val', 'a:test']
    assert len(train.images) == 8 and len(val.images) == 2
    assert test.images == [*val.images, *train.images]
    assert train.images[0].label == 'Surprise' and train.images[0].person is None
    assert train.images[0].name.endswith('train_00001_aligned.jpg')


@pytest.mark.parametrize('lazy', [False, True])
def test_folds_of_a_wrapper(tmp_path, lazy):
    images = rafdb(write_rafdb(tmp_path), lazy_init=lazy)
    parts = [
        dict(type='KFoldDataset', dataset=images, num_splits=3, fold=1, test_mode=test)
        for test in (False, True)
    ]
    cfg = Config(dict(train_dataloader=loader(**parts[0]), val_dataloader=loader(**parts[1])))
    train, val = splits_of_config(cfg)
    assert len(train.images) == 5 and len(val.images) == 2
    assert not set(train.images) & set(val.images)


def test_drawn_images_and_people(tmp_path):
    cfg = Config(dict(test_dataloader=loader(type='SynthFace', num_samples=3, num_identities=2)))
    (split,) = splits_of_config(cfg)
    assert [image.name for image in split.images] == [f'synthface://train/{i}' for i in range(3)]
    assert {image.person for image in split.images} <= {'0', '1'}
    root = write_cfp(tmp_path / 'cfp', people=(1, 7))
    cfg = Config(dict(train_dataloader=loader(type='CFP', data_root=str(root))))
    assert {image.person for image in splits_of_config(cfg)[0].images} == {'001', '007'}


def test_validation_that_is_the_test_list_is_one_split(tmp_path):
    root = write_rafdb(tmp_path)
    test = loader(**rafdb(root, 'test'))
    cfg = Config(
        dict(train_dataloader=loader(**rafdb(root)), val_dataloader=test, test_dataloader=test)
    )
    train, both = merge_equal(splits_of_config(cfg))
    assert (train.name, both.name) == ('train', 'val = test')
    assert both.roles == {'val', 'test'} and len(both.images) == 2


def test_testing_on_the_training_list_stays_two_splits(tmp_path):
    same = loader(**rafdb(write_rafdb(tmp_path)))
    cfg = Config(dict(train_dataloader=same, test_dataloader=same))
    splits = merge_equal(splits_of_config(cfg))
    assert [split.name for split in splits] == ['train', 'test']
    assert len(audit(splits).leaks) == len(splits[0].images)
    # Two configs may train on the same images.
    (both,) = merge_equal(splits_of_config(cfg, 'a:')[:1] + splits_of_config(cfg, 'b:')[:1])
    assert both.name == 'a:train = b:train' and both.roles == {'train'}


def test_frames_labeled_for_another_task_have_no_label(tmp_path):
    root = write_affwild2(tmp_path, {'Train_Set/a': [4, -1]}, {'Train_Set/a': [-1, 1]})
    dataset = dict(type='AffWild2', data_root=str(root))
    (train,) = splits_of_config(Config(dict(train_dataloader=dict(dataset=dataset))))
    assert [image.label for image in train.images] == ['Happiness', None]


def test_config_without_data():
    with pytest.raises(ValueError, match='train_dataloader'):
        splits_of_config(Config(dict(train_dataloader=None)))


def test_folders(tmp_path):
    write_folders(tmp_path, {'.': 1, 'happy': 2, 'sad/more': 1})
    (tmp_path / 'happy/notes.txt').touch()
    (tmp_path / 'happy/00001.jpg').rename(tmp_path / 'happy/00001.jfif')  # recognized by content
    split = split_of_folder('mine', tmp_path)
    assert split.skipped == [str(tmp_path / 'happy/notes.txt')]
    assert [image.label for image in split.images] == [None, 'happy', 'happy', 'sad/more']
    with pytest.raises(FileNotFoundError, match='nowhere'):
        split_of_folder('other', tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty'):
        split_of_folder('empty', tmp_path / 'empty')


def test_misplaced_boxes_are_listed(tmp_path):
    lines = [expw_line(f'{i}.jpg', i % 7) for i in range(40)]
    # Two faces of one image, one of them outside of it.
    lines += [expw_line('7.jpg', 0, face=1, box=(60, 60, 90, 90))]
    root = write_expw(tmp_path, lines)
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new('RGB', (24, 24), 'red').save(root / 'data/image/origin/9.jpg', exif=exif)
    cfg = dict(type='ExpW', data_root=str(root), split='trainval', by='image')
    splits = splits_of_config(Config(dict(train_dataloader=loader(**cfg))))
    result = audit(splits)
    found, turned = result.misplaced
    assert turned['name'].endswith('/9.jpg') and 'orientation is 8' in turned['reason']
    assert found['name'].endswith('/7.jpg') and 'in the image of 24x24' in found['reason']
    assert not result.clean and '2 images with misplaced annotations' in to_text(result)
    write_report(result, splits, tmp_path / 'report')
    page = (tmp_path / 'report/report.html').read_text()
    assert TITLES['misplaced'] in page and found['reason'] in page
