# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config


def unwrapped(dataset: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the config of the dataset inside wrappers such as ClassBalancedDataset."""
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def find_test_dataset(cfg: Config) -> Mapping[str, Any]:
    """Return the config of the test dataset without wrappers; empty if there is none.

    Of concatenated datasets, it is the first one.
    """
    dataset = unwrapped((cfg.get('test_dataloader') or {}).get('dataset') or {})
    while dataset.get('datasets'):
        dataset = unwrapped(dataset['datasets'][0])
    return dataset
