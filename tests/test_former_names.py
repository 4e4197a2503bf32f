# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Names of version 0.1, which still work, with a warning."""

import argparse

import numpy as np
import pytest
from test_datasets.test_expw import expw_line, names_of, write_expw

import mmfer.inference
from mmfer.datasets import ExpW
from mmfer.deployment.exported import ExportedModel
from mmfer.registry import METRICS, TRANSFORMS
from mmfer.utils.config_arguments import add_former_name

IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def test_transform():
    with pytest.warns(FutureWarning, match='RandomGrayFace'):
        transform = TRANSFORMS.build(dict(type='RandomGreyFace', prob=1))
    expected = TRANSFORMS.build(dict(type='RandomGrayFace', prob=1))(dict(img=IMAGE))['img']
    np.testing.assert_array_equal(transform(dict(img=IMAGE))['img'], expected)


def test_metric():
    with pytest.warns(FutureWarning, match='LabeledOnly'):
        METRICS.build(dict(type='LabelledOnly', metric=dict(type='Accuracy')))


def test_result():
    with pytest.warns(FutureWarning, match='ImageResult'):
        assert mmfer.inference.PictureResult is mmfer.inference.ImageResult
    with pytest.raises(AttributeError, match='Other'):
        mmfer.inference.Other  # noqa: B018


def test_units_of_expw(tmp_path):
    root = write_expw(tmp_path, [expw_line(name, 0) for name in names_of('train', 3)])
    with pytest.warns(FutureWarning, match="by='image'"):
        dataset = ExpW(root, by='picture')
    assert dataset.by == 'image' and len(dataset) == len(ExpW(root, by='image'))


def test_input_of_exported_models():
    class Model(ExportedModel):
        _run = None

    assert Model('pictures', ['scores'], dict(preprocessing=None), 'old.onnx').with_preprocessing


def test_options(capsys):
    parser = argparse.ArgumentParser()
    option = parser.add_argument('--max-images', type=int, default=7)
    add_former_name(parser, '--max-pictures', option)
    assert parser.parse_args(['--max-pictures', '3']).max_images == 3
    assert '--max-images' in capsys.readouterr().err
    assert parser.parse_args([]).max_images == 7
    assert '--max-pictures' not in parser.format_help()
