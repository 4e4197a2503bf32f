# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from rafdb_tree import write_rafdb
from tool_calls import load_tool, run_tool

from mmfer.datasets import SynthFace

TOOL = 'visualization/browse_dataset.py'
UNITS = dict(classes=('Anger',), action_units=('AU1', 'AU2', 'AU12'))


@pytest.fixture
def browse(repo_root, tmp_path):
    """Run the tool on a small RAF-DB and return the sheet."""
    root = write_rafdb(tmp_path / 'data', train=[1, 2, 3, 4, 5, 6, 7] * 2, size=112)
    config = repo_root / 'configs/_base_/datasets/rafdb_112.py'

    def run(*args, out=tmp_path / 'sheet.png'):
        options = [
            f'train_dataloader.dataset.dataset.data_root={root}',
            f'val_dataloader.dataset.data_root={root}',
        ]
        done = run_tool(TOOL, config, '--out', out, *args, '--cfg-options', *options)
        assert done.returncode == 0, done.stderr
        return cv2.imread(str(out))

    return run


def test_original_shows_the_files(browse, tmp_path):
    sheet = browse('--mode', 'original', '--num', '1', '--tile', '112')
    assert sheet.shape == (112 + 18 + 8, 112 + 8, 3)
    file = tmp_path / 'data/basic/Image/aligned_224/train_00001.jpg'
    np.testing.assert_array_equal(sheet[4:116, 4:116], cv2.imread(str(file)))
    label = sheet[116:134, 4:116]
    assert label.min() < 100, 'there is text under it'


def test_transformed_of_evaluation_equals_the_file(browse, tmp_path):
    # Normalization and its inverse, BGR to RGB and back, no erasing: the image must be unchanged.
    sheet = browse('--split', 'val', '--num', '1', '--tile', '112')
    file = tmp_path / 'data/basic/Image/aligned_224/test_0001.jpg'
    np.testing.assert_array_equal(sheet[4:116, 4:116], cv2.imread(str(file)))


def test_transformed_of_training_is_augmented_and_seeded(browse):
    first = browse('--num', '6')
    np.testing.assert_array_equal(browse('--num', '6'), first)
    assert not np.array_equal(browse('--num', '6', '--seed', '1'), first)


def test_pipeline_has_a_column_for_every_step(browse):
    sheet = browse('--mode', 'pipeline', '--num', '2', '--tile', '64')
    # Stored, rotated, cropped, flipped, gray, jittered, network input.
    assert sheet.shape == (2 * (64 + 18 + 4) + 4, 7 * (64 + 4) + 4, 3)


def test_file_name_in_an_output_folder(browse, tmp_path):
    browse('--num', '1', out=tmp_path / 'sheets')
    assert (tmp_path / 'sheets/rafdb_112_train_transformed.png').is_file()


@pytest.fixture
def module():
    return load_tool(TOOL)


def where(tile, color):
    """Return the mean position (x, y) of the pixels with a color."""
    rows, columns = (np.abs(tile.astype(int) - color).max(axis=2) < 30).nonzero()
    assert len(rows), 'the color is not there'
    return columns.mean(), rows.mean()


def test_landmarks_and_box_are_drawn_where_they_are(module):
    box = np.array([3, 5, 28, 25], np.float32)
    frame = module.Frame('stored', np.zeros((32, 32, 3), np.uint8), np.array([[8.0, 4.0]]), box)
    tile = module.draw_tile(frame, 'face', width=320)[:320]
    # The center of pixel 8 is 8.5 pixels from the edge, and so on.
    assert where(tile, module.WHITE) == pytest.approx((8.5 * 10 - 0.5, 4.5 * 10 - 0.5), abs=0.6)
    rows, columns = (np.abs(tile.astype(int) - module.GREEN).max(axis=2) < 30).nonzero()
    extent = columns.min(), rows.min(), columns.max(), rows.max()
    assert extent == pytest.approx((box + 0.5) * 10 - 0.5, abs=1)


def test_sides_of_98_points_have_their_colors(module):
    points = SynthFace(num_samples=1, image_size=64)[0]['gt_landmarks']
    image = np.zeros((64, 64, 3), np.uint8)
    tile = module.draw_tile(module.Frame('stored', image, points), '', width=256)[:256]
    assert where(tile, module.BLUE)[0] < where(tile, module.ORANGE)[0] - 40
    swapped = np.stack([63 - points[:, 0], points[:, 1]], axis=1)
    tile = module.draw_tile(module.Frame('stored', image, swapped), '', width=256)[:256]
    assert where(tile, module.BLUE)[0] > where(tile, module.ORANGE)[0] + 40


@pytest.mark.parametrize(
    ('info', 'metainfo', 'text'),
    [
        (dict(gt_label=1), dict(classes=('Anger', 'Fear')), 'Fear'),
        (dict(gt_label=1, gt_age=30.6), dict(classes=('Anger', 'Fear')), 'Fear, age 31'),
        (dict(gt_label=1, gt_age=30.0), {}, 'age 30'),
        (dict(gt_label=1), {}, '1'),
        (dict(gt_label=-1, gt_au=[1, 0, 1]), UNITS, 'no class, AU 1 12'),
        (dict(gt_label=0, gt_au=[0, -1, 0]), UNITS, 'Anger, AU none'),
        (dict(gt_label=0, gt_au=[-1, -1, -1]), UNITS, 'Anger, no AU'),
        (dict(gt_label=0, gt_valence_arousal=[-0.55, 0.7]), UNITS, 'Anger, V -0.55 A 0.70'),
        (dict(gt_label=0, gt_valence_arousal=[np.nan] * 2), UNITS, 'Anger, no V, A'),
        (dict(attributes=[0, 1, 1]), dict(attributes=('pose', 'makeup', 'blur')), 'makeup, blur'),
        (dict(img_path='a/face.jpg', attributes=[0]), dict(attributes=('pose',)), 'face'),
        ({}, {}, '5'),
    ],
)
def test_captions(module, info, metainfo, text):
    dataset = SimpleNamespace(metainfo=metainfo, get_data_info=lambda index: info)
    assert module.label_of(dataset, 5) == text


def test_long_captions_are_written_smaller(module):
    def ink(text):
        tile = np.full((64 + 18, 64, 3), 255, np.uint8)
        module.draw_text(tile, text)
        return (tile.min(axis=(0, 2)) < 128).nonzero()[0].max()

    assert ink('Happiness') < 62, 'it is not cut off'


def test_concat_shows_before_and_after(browse, tmp_path):
    sheet = browse('--mode', 'concat', '--split', 'val', '--num', '1', '--tile', '112')
    assert sheet.shape == (112 + 18 + 8, 2 * 112 + 12, 3)
    file = cv2.imread(str(tmp_path / 'data/basic/Image/aligned_224/test_0001.jpg'))
    np.testing.assert_array_equal(sheet[4:116, 4:116], file)
    np.testing.assert_array_equal(sheet[4:116, 120:232], file)


def test_zero_images_are_an_error():
    done = run_tool(TOOL, 'config.py', '--num', '0')
    assert done.returncode == 2 and '--num must be at least 1' in done.stderr


def test_drawn_faces_need_no_loading_step_and_show_landmarks_on_demand(repo_root, tmp_path):
    config = repo_root / 'configs/apvit/apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'
    out = tmp_path / 'sheet.png'
    sheets = []
    for options in ([], ['--landmarks'], ['--landmarks', '--box']):
        words = ['--split', 'test', '--mode', 'original', '--num', '3', *options, '--out', out]
        words += ['--cfg-options', 'test_dataloader.dataset.num_samples=7']
        assert run_tool(TOOL, config, *words).returncode == 0
        sheets.append(cv2.imread(str(out)))
    plain, landmarks, box = sheets
    assert plain[4:136, 4:136].std() > 10, 'there is an image'
    assert (landmarks != plain).any(-1).sum() > 500
    assert 300 < (box != landmarks).any(-1).sum() < 6000


@pytest.mark.parametrize('mode', ['transformed', 'pipeline'])
def test_landmarks_follow_the_pipeline(module, tmp_path, mode):
    """The points on the model's input are those of the last step before packing."""
    config, out = tmp_path / 'faces.py', tmp_path / 'sheet.png'
    pipeline = [
        dict(type='CropFace', kind='tight', size=64),
        dict(type='RandomFlipFace', prob=1),
        dict(type='PackInputs'),
    ]
    faces = dict(type='SynthFace', num_samples=2, image_size=96, pipeline=pipeline)
    config.write_text(f'test_dataloader = dict(dataset={faces!r})')
    words = ['--split', 'test', '--mode', mode, '--num', '1', '--tile', '256', '--landmarks']
    assert run_tool(TOOL, config, *words, '--out', out).returncode == 0
    last = cv2.imread(str(out))[4:260, -260:-4]
    sample = Compose(pipeline[:2])(SynthFace(num_samples=2, image_size=96)[0])
    pupils = (sample['gt_landmarks'][[96, 97]] + 0.5) * 4 - 0.5
    for (x, y), color in zip(np.rint(pupils).astype(int), ('BLUE', 'ORANGE'), strict=True):
        assert np.abs(last[y, x].astype(int) - getattr(module, color)).max() < 30


def test_concatenated_sets(tmp_path):
    (tmp_path / 'config.py').write_text(
        "default_scope = 'mmfer'\n"
        "load = [dict(type='ResizeFace', size=64)]\n"
        "faces = dict(type='SynthFace', num_samples=3, pipeline=load)\n"
        'others = dict(faces, seed=1)\n'
        "both = dict(type='ConcatDataset', datasets=[faces, others])\n"
        "train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=both))\n"
        'val_dataloader = dict(\n'
        "    dataset=dict(type='ConcatDataset', datasets=[faces, dict(faces, pipeline=[])])\n"
        ')\n'
    )
    words = (
        tmp_path / 'config.py',
        '--mode',
        'pipeline',
        '--num',
        '4',
        '--out',
        tmp_path / 'a.png',
    )
    done = run_tool(TOOL, *words)
    assert done.returncode == 0 and (tmp_path / 'a.png').is_file(), done.stderr
    done = run_tool(TOOL, *words, '--split', 'val')
    assert done.returncode == 1 and 'have different pipelines' in done.stderr
