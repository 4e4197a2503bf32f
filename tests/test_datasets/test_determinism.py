# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmpretrain.datasets import KFoldDataset

from mmfer.datasets import SynthFace
from mmfer.datasets.determinism import (
    DETERMINISTIC_TRANSFORMS,
    fingerprint_samples,
    innermost_dataset,
    random_transforms,
)
from mmfer.registry import TRANSFORMS


class Listed(BaseDataset):
    """A dataset of given samples."""

    def __init__(self, samples):
        self.samples = samples
        super().__init__(serialize_data=False)

    def load_data_list(self):
        return [dict(sample) for sample in self.samples]


def test_all_listed_transforms_exist():
    assert all(TRANSFORMS.get(name) is not None for name in DETERMINISTIC_TRANSFORMS)


def test_random_transforms_are_found():
    built = [
        TRANSFORMS.build(config)
        for config in (
            dict(type='LoadFaceImage'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='Resize', scale=(8, 8)),
            dict(type='RandomCrop', crop_size=8),
            dict(type='PackInputs'),
        )
    ]
    assert random_transforms(built) == ['RandomFlip', 'RandomCrop']
    assert random_transforms(built, ['RandomFlip']) == ['RandomCrop']

    class Resize:  # another class of a known name
        pass

    assert random_transforms([Resize()]) == ['Resize']


@pytest.mark.parametrize('name', DETERMINISTIC_TRANSFORMS)
def test_listed_transforms_name_no_chance(name):
    """None of them has an argument for a probability or a random range."""
    words = TRANSFORMS.get(name).__init__.__code__.co_varnames
    assert not {'prob', 'max_shift', 'scale_range', 'ratio_range', 'magnitude_std'} & set(words)


def test_wrappers_hand_on_numbers_of_the_dataset_within():
    config = dict(num_samples=6, image_size=32, pipeline=[dict(type='PackInputs')])
    faces = SynthFace(**config)
    wrapped = RepeatDataset(faces, times=3)
    assert innermost_dataset(wrapped) is faces
    assert wrapped[13]['data_samples'].sample_idx == 1
    folds = KFoldDataset(dict(type='SynthFace', **config), fold=1, num_splits=3)
    inner = innermost_dataset(folds)
    assert len(inner) == len(folds) == 4
    for index in range(4):
        number = folds[index]['data_samples'].sample_idx
        assert inner.get_data_info(number)['img_path'] == folds[index]['data_samples'].img_path
    with pytest.raises(TypeError, match='ConcatDataset'):
        innermost_dataset(ConcatDataset([faces, faces]))


def test_fingerprint_of_samples(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(b'image')
    base = dict(img_path=str(path), gt_label=1, gt_landmarks=np.zeros((2, 2), np.float32))
    first = fingerprint_samples(Listed([base]))
    assert fingerprint_samples(Listed([dict(reversed(base.items()))])) == first
    others = [
        [base, base],
        [dict(base, gt_label=2)],
        [dict(base, gt_landmarks=np.ones((2, 2), np.float32))],
        [dict(base, gt_landmarks=np.zeros((2, 2)))],
        [dict(base, gt_landmarks=torch.zeros(4))],
        [dict(base, img_path='elsewhere.png')],
        [],
    ]
    found = {fingerprint_samples(Listed(samples)) for samples in others}
    assert len(found) == len(others) and first not in found
    path.write_bytes(b'IMAGE!')
    second = fingerprint_samples(Listed([base]))
    os.utime(path, ns=(0, 12345))
    assert len({first, second, fingerprint_samples(Listed([base]))}) == 3
