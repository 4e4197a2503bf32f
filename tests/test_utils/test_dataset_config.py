# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.config import Config

from mmfer.utils.dataset_config import find_test_dataset, unwrapped


def test_all_wrappers_are_removed():
    inner = dict(type='RAFDB', data_root='data')
    wrapped = dict(type='RepeatDataset', dataset=dict(type='ClassBalancedDataset', dataset=inner))
    assert unwrapped(wrapped) is inner and unwrapped(inner) is inner
    assert unwrapped({}) == {}


def test_the_test_dataset():
    loader = dict(dataset=dict(type='RepeatDataset', dataset=dict(type='RAFDB')))
    cfg = Config(dict(train_dataloader=dict(dataset=dict(type='SFEW')), test_dataloader=loader))
    assert find_test_dataset(cfg) == dict(type='RAFDB')
    both = dict(type='ConcatDataset', datasets=[loader['dataset'], dict(type='SFEW')])
    around = dict(dataset=dict(type='RepeatDataset', dataset=both))
    assert find_test_dataset(Config(dict(test_dataloader=around))) == dict(type='RAFDB')
    for none in (dict(), dict(test_dataloader=None), dict(test_dataloader=dict(batch_size=1))):
        assert find_test_dataset(Config(none)) == {}
