# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmengine.config import Config
from task_models import SIZE, write_task

from mmfer.deployment.load import drawn_images, real_images


class TestRealImages:
    def test_those_of_the_test_set(self, tmp_path):
        cfg = Config.fromfile(write_task(tmp_path, 'expression', num=9)[0])
        name, images = real_images(cfg, 3, (SIZE, SIZE))
        assert name == 'test set'
        whole = real_images(cfg, 100, (SIZE, SIZE))[1]
        assert whole.shape == (9, 3, SIZE, SIZE) and whole.dtype == torch.uint8
        assert torch.equal(images, whole[[0, 4, 8]])

    def test_those_of_the_test_set_at_another_size(self, tmp_path):
        cfg = Config.fromfile(write_task(tmp_path, 'expression', num=9)[0])
        _, usual = real_images(cfg, 3, (SIZE, SIZE))
        name, images = real_images(cfg, 3, (SIZE // 2, SIZE))
        assert name == 'test set, resized'
        wanted = usual.float().unflatten(2, (SIZE // 2, 2)).mean(3)
        torch.testing.assert_close(images.float(), wanted, atol=0.5, rtol=0)

    def test_drawn_faces_if_files_are_missing(self, tmp_path):
        cfg = Config.fromfile(write_task(tmp_path, 'expression')[0])
        cfg.test_dataloader.dataset = dict(type='RAFDB', data_root=str(tmp_path / 'none'))
        name, images = real_images(cfg, 2, (SIZE, SIZE))
        assert name == 'drawn faces'
        assert torch.equal(images, drawn_images(2, (SIZE, SIZE)))
        cfg.pop('test_dataloader')
        assert real_images(cfg, 2, (SIZE, SIZE))[0] == 'drawn faces'

    def test_drawn_faces_of_any_shape(self):
        images = drawn_images(2, (32, 48))
        assert images.shape == (2, 3, 32, 48) and images.dtype == torch.uint8
        assert not torch.equal(images[0], images[1])
