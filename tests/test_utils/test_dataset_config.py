# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmfer.utils.dataset_config import unwrapped


def test_out_of_all_wrappers():
    inner = dict(type='RAFDB', data_root='data')
    wrapped = dict(type='RepeatDataset', dataset=dict(type='ClassBalancedDataset', dataset=inner))
    assert unwrapped(wrapped) is inner and unwrapped(inner) is inner
    assert unwrapped({}) == {}
