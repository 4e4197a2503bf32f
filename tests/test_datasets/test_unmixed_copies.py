# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmengine.dataset import BaseDataset
from rafdb_tree import write_rafdb

from mmfer.datasets import RAFDB, SynthFace


@pytest.fixture(params=['read', 'drawn'])
def dataset(request, tmp_path):
    if request.param == 'drawn':
        return SynthFace(num_samples=3, image_size=32)
    return RAFDB(write_rafdb(tmp_path))


def test_subset_is_not_mixed_up_with_earlier_copies(dataset, monkeypatch):
    (remembered,) = BaseDataset._copy_without_annotation.__defaults__
    monkeypatch.setitem(remembered, id(dataset.pipeline), 'an object that is gone')
    before = len(remembered)
    assert type(dataset.get_subset([0]).pipeline) is type(dataset.pipeline)
    assert len(remembered) == before
