# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import importlib
import runpy
import sys

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from rafdb_tree import write_rafdb


@pytest.fixture
def browse(repo_root, tmp_path, monkeypatch):
    """Run the tool on a small RAF-DB and return the sheet that it wrote."""
    root = write_rafdb(tmp_path / 'data', train=[1, 2, 3, 4, 5, 6, 7] * 2, size=112)
    script = repo_root / 'tools/visualization/browse_dataset.py'
    config = repo_root / 'configs/_base_/datasets/rafdb_112.py'

    def run(*args, out=tmp_path / 'sheet.png'):
        options = [
            f'train_dataloader.dataset.dataset.data_root={root}',
            f'val_dataloader.dataset.data_root={root}',
        ]
        argv = [script, config, '--out', out, *args, '--cfg-options', *options]
        monkeypatch.setattr(sys, 'argv', [str(arg) for arg in argv])
        with DefaultScope.overwrite_default_scope('mmfer'):
            runpy.run_path(str(script), run_name='__main__')
        return cv2.imread(str(out))

    return run


def test_original_shows_the_files(browse, tmp_path):
    sheet = browse('--mode', 'original', '--num', '1', '--tile', '112')
    assert sheet.shape == (112 + 18 + 8, 112 + 8, 3)
    file = tmp_path / 'data/basic/Image/aligned/train_00001_aligned.jpg'
    np.testing.assert_array_equal(sheet[4:116, 4:116], cv2.imread(str(file)))
    label = sheet[116:134, 4:116]
    assert label.min() < 100, 'there is text under it'


def test_transformed_of_evaluation_is_the_file_again(browse, tmp_path):
    # Normalising and undoing it, BGR to RGB and back, no erasing: nothing may be left of it.
    sheet = browse('--split', 'val', '--num', '1', '--tile', '112')
    file = tmp_path / 'data/basic/Image/aligned/test_0001_aligned.jpg'
    np.testing.assert_array_equal(sheet[4:116, 4:116], cv2.imread(str(file)))


def test_transformed_of_training_is_augmented_and_seeded(browse):
    first = browse('--num', '6')
    np.testing.assert_array_equal(browse('--num', '6'), first)
    assert not np.array_equal(browse('--num', '6', '--seed', '1'), first)


def test_pipeline_has_a_column_for_every_step(browse):
    sheet = browse('--mode', 'pipeline', '--num', '2', '--tile', '64')
    # Stored, rotated, cropped, flipped, grey, jittered, network input.
    assert sheet.shape == (2 * (64 + 18 + 4) + 4, 7 * (64 + 4) + 4, 3)


def test_folder_as_output_gets_a_telling_name(browse, tmp_path):
    browse('--num', '1', out=tmp_path / 'sheets')
    assert (tmp_path / 'sheets/rafdb_112_train_transformed.png').is_file()


def test_landmarks_are_drawn(repo_root, monkeypatch):
    monkeypatch.syspath_prepend(str(repo_root / 'tools/visualization'))
    module = importlib.import_module('browse_dataset')
    frame = module.Frame('stored', np.zeros((32, 32, 3), np.uint8), np.array([[8.0, 4.0]]))
    tile = module.draw_tile(frame, 'face', width=64)
    assert tile[:64].any(axis=2).nonzero()[0].mean() == pytest.approx(8, abs=0.6)
    assert tile[:64].any(axis=2).nonzero()[1].mean() == pytest.approx(16, abs=0.6)


def test_refuses_no_pictures(browse, capsys):
    with pytest.raises(SystemExit):
        browse('--num', '0')
    assert '--num must be at least 1' in capsys.readouterr().err


def test_drawn_faces_need_no_loading_step_and_show_landmarks_on_demand(
    repo_root, tmp_path, monkeypatch
):
    script = repo_root / 'tools/visualization/browse_dataset.py'
    config = repo_root / 'configs/apvit/apvit_ir18-vit-tiny_1xb16-12e_synthface-64px.py'
    out = tmp_path / 'sheet.png'
    yellow = []
    for options in ([], ['--landmarks']):
        argv = [script, config, '--split', 'test', '--mode', 'original', '--num', '3', *options]
        argv += ['--out', out, '--cfg-options', 'test_dataloader.dataset.num_samples=7']
        monkeypatch.setattr(sys, 'argv', [str(arg) for arg in argv])
        runpy.run_path(str(script), run_name='__main__')
        sheet = cv2.imread(str(out))
        assert sheet[4:136, 4:136].std() > 10, 'there is a picture'
        yellow.append((sheet == (0, 255, 255)).all(-1).sum())
    assert yellow[1] > yellow[0] + 200
