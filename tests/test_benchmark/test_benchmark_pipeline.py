# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from mmengine.dataset import BaseDataset, RepeatDataset

from mmfer.benchmark.pipeline import decode_and_resize, measure_pipeline
from mmfer.benchmark.report import pipeline_text
from mmfer.datasets import ConcatDataset, SynthFace


@pytest.fixture
def folder(tmp_path):
    for number in range(6):
        image = np.full((20, 30, 3), 40 * number, np.uint8)
        cv2.imwrite(str(tmp_path / f'{number}.png'), image)
    return tmp_path


class Folder(BaseDataset):
    """A dataset with every image of a folder."""

    def __init__(self, folder, **kwargs):
        self.folder = folder
        super().__init__(**kwargs)

    def load_data_list(self):
        return [dict(img_path=str(path)) for path in sorted(self.folder.iterdir())]


PIPELINE = [dict(type='LoadFaceImage'), dict(type='ResizeFace', size=8)]


@pytest.mark.parametrize('wrapped', [True, False])
def test_rates_and_steps(folder, wrapped):
    dataset = Folder(folder, pipeline=PIPELINE)
    if wrapped:
        dataset = RepeatDataset(dataset, times=2)
    threads = cv2.getNumThreads()
    speed = measure_pipeline(dataset, (8, 8), count=4, turns=2)
    assert cv2.getNumThreads() == threads
    assert speed['images'] == 4 and speed['rate'] > 0
    assert speed['share'] == pytest.approx(speed['rate'] / speed['bare_rate'])
    assert list(speed['steps']) == ['0 LoadFaceImage', '1 ResizeFace']
    assert all(ms > 0 for ms in speed['steps'].values())


def test_data_that_are_no_files(folder):
    dataset = Folder(folder, pipeline=[])
    dataset.load_data_list = None
    dataset.get_data_info = lambda index: dict(number=index)
    speed = measure_pipeline(dataset, (8, 8), count=100, turns=1)
    assert speed['images'] == 6 and speed['rate'] > 0
    assert speed['bare_rate'] is speed['share'] is None
    assert 'nothing is decoded' in pipeline_text(speed)


def test_images_that_a_dataset_adds_itself():
    pipeline = [dict(type='ResizeFace', size=8), dict(type='PackInputs')]
    faces = SynthFace(num_samples=3, image_size=32, pipeline=pipeline)
    both = ConcatDataset([faces, RepeatDataset(faces, times=2)])
    speed = measure_pipeline(both, (8, 8), turns=1)
    assert list(speed['steps']) == ['0 ResizeFace', '1 PackInputs']
    assert faces[0]['inputs'].shape == (3, 8, 8)  # the pipeline is there again


def test_bare_work(folder):
    image = decode_and_resize(str(folder / '3.png'), (8, 12))
    assert image.shape == (8, 12, 3) and (image == 120).all()
