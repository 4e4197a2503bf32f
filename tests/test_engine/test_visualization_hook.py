# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from types import SimpleNamespace

import cv2
import pytest
import torch
from mmengine.dataset import ConcatDataset
from mmpretrain.datasets import CustomDataset
from mmpretrain.structures import DataSample
from mmpretrain.visualization import UniversalVisualizer

from mmfer.engine.hooks.visualization_hook import VisualizationHook, common_folder, drawing_name
from mmfer.registry import HOOKS


def build_hook(out_dir, **settings):
    UniversalVisualizer.get_instance('drawings')
    return HOOKS.build(
        dict(type='VisualizationHook', enable=True, interval=1, out_dir=str(out_dir), **settings)
    )


def run_test(hook, dataset, paths, batch_size=3):
    """Run a test of the hook on blue images; the last batch is smaller."""
    runner = SimpleNamespace(
        test_dataloader=SimpleNamespace(dataset=dataset), logger=logging.getLogger('mmengine')
    )
    hook.before_test_epoch(runner)
    for start in range(0, len(paths), batch_size):
        samples = [
            DataSample(metainfo=dict(img_path=path) if path else {}).set_pred_label(0)
            for path in paths[start : start + batch_size]
        ]
        image = torch.zeros(len(samples), 3, 48, 48, dtype=torch.uint8)
        image[:, 0] = 255
        hook.after_test_iter(runner, start // batch_size, dict(inputs=image), samples)
    hook.after_test_epoch(runner)


@pytest.fixture
def folders(tmp_path):
    """Two datasets, each with a ``1.jpg`` in two classes."""
    datasets = []
    for name in 'ab':
        for label in ('sad', 'happy'):
            folder = tmp_path / name / label
            folder.mkdir(parents=True)
            (folder / '1.jpg').touch()
        datasets.append(CustomDataset(data_root=str(tmp_path / name)))
    return ConcatDataset(datasets)


def test_a_file_for_every_image(folders, tmp_path, caplog):
    paths = [folders.get_data_info(index)['img_path'] for index in range(4)]
    paths.append(paths[-1])  # another face of the same image
    with caplog.at_level(logging.INFO, logger='mmengine'):
        run_test(build_hook(tmp_path / 'drawn'), folders, paths)
    assert sorted(path.name for path in (tmp_path / 'drawn').iterdir()) == [
        '000000_a__happy__1.jpg.png',
        '000001_a__sad__1.jpg.png',
        '000002_b__happy__1.jpg.png',
        '000003_b__sad__1.jpg.png',
        '000004_b__sad__1.jpg.png',
    ]
    drawn = cv2.imread(str(tmp_path / 'drawn/000000_a__happy__1.jpg.png'))
    assert drawn[-1, -1].tolist() == [255, 0, 0]  # still blue
    assert drawn.shape == (5 * 48, 5 * 48, 3)


def test_images_without_files(tmp_path):
    """The last batch is smaller; its numbers continue."""
    run_test(build_hook(tmp_path), [None] * 5, [None] * 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f'00000{i}.png' for i in range(5)]
    # A second test overwrites them.
    run_test(build_hook(tmp_path), [None] * 5, [None] * 5)
    assert len(list(tmp_path.iterdir())) == 5


def test_every_nth(tmp_path):
    hook = build_hook(tmp_path)
    hook.interval = 2
    run_test(hook, [None] * 5, [None] * 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        '000000.png',
        '000002.png',
        '000004.png',
    ]


def test_of_several_processes_the_first_draws(tmp_path, monkeypatch):
    for rank in (0, 1):
        monkeypatch.setattr(
            'mmfer.engine.hooks.visualization_hook.get_dist_info', lambda rank=rank: (rank, 2)
        )
        run_test(build_hook(tmp_path), [None] * 5, [None] * (3 - rank))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        '000000.png',
        '000002.png',
        '000004.png',
    ]


def test_epochs_of_validation_do_not_overwrite_each_other(tmp_path):
    hook = build_hook(tmp_path)
    for iteration in (10, 20):
        runner = SimpleNamespace(
            val_dataloader=SimpleNamespace(dataset=[None]), train_loop=None, iter=iteration
        )
        hook.before_val_epoch(runner)
        batch = dict(inputs=torch.zeros(1, 3, 48, 48, dtype=torch.uint8))
        hook.after_val_iter(runner, 0, batch, [DataSample()])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['000000_10.png', '000000_20.png']


@pytest.mark.parametrize(
    ('path', 'root', 'name'),
    [
        ('/data/a/1.jpg', '/data', '000007_a__1.jpg'),
        ('/data/a/1.jpg', '', '000007_data__a__1.jpg'),
        ('/data/a/../../etc/1.jpg', '/data', '000007_etc__1.jpg'),
        ('/data/' + 'ö' * 300, '/data', '000007_' + 'ö' * 100),
        ('/data/a' + 'ö' * 100, '/data', '000007_' + 'ö' * 100),
        (None, '', '000007'),
    ],
)
def test_names_stay_in_the_folder(path, root, name):
    assert drawing_name(7, path, root) == name


def test_datasets_that_do_not_list_their_images():
    assert common_folder([1, 2, 3]) == ''


def test_it_is_the_one_of_configs():
    assert type(build_hook('unused')) is VisualizationHook
