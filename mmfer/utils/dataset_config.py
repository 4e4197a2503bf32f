# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from typing import Any


def unwrapped(dataset: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config of the dataset that reads files, out of wrappers such as ClassBalancedDataset."""
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset
