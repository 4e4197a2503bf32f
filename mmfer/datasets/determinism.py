# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Whether a dataset gives the same images every time, and which images they are."""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset, ClassBalancedDataset, RepeatDataset
from mmpretrain.datasets import KFoldDataset

from mmfer.registry import TRANSFORMS

#: Transforms that draw no random numbers, whatever their arguments are.
DETERMINISTIC_TRANSFORMS = (
    'LoadFaceImage',
    'CropFace',
    'ResizeFace',
    'LoadImageFromFile',
    'Resize',
    'ResizeEdge',
    'CenterCrop',
    'EfficientNetCenterCrop',
    'Pad',
    'Normalize',
    'NumpyToPIL',
    'PILToNumpy',
    'PackInputs',
)

# They hand on samples of one dataset, whose `sample_idx` stays that of the dataset within.
_WRAPPERS = (RepeatDataset, ClassBalancedDataset, KFoldDataset)


def innermost_dataset(dataset: Any) -> BaseDataset:
    """The dataset in its wrappers, to which every sample's ``sample_idx`` refers.

    Raises:
        TypeError: It has no such number: several datasets that are concatenated have a sample 0
            each, and mmengine's ``BaseDataset`` alone writes the numbers.
    """
    while isinstance(dataset, _WRAPPERS):
        dataset = dataset.dataset
    if not isinstance(dataset, BaseDataset):
        raise TypeError(
            f'samples of a {type(dataset).__name__} are not numbered through; use one dataset '
            "based on mmengine's BaseDataset, alone or in "
            f'{", ".join(wrapper.__name__ for wrapper in _WRAPPERS)}'
        )
    return dataset


def leaf_datasets(dataset: Any) -> list:
    """The datasets in all wrappers: of mmengine and mmpretrain, those that concatenate too, and
    ``torch.utils.data.Subset`` and the like.
    """
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    inner = inner.values() if isinstance(inner, Mapping) else inner
    found = [leaf for item in inner if item is not None for leaf in leaf_datasets(item)]
    return found or [dataset]


def random_transforms(transforms: Iterable, declared: Collection[str] = ()) -> list[str]:
    """Names of the transforms that may draw random numbers.

    Args:
        transforms (Iterable): Built transforms.
        declared (Collection[str]): Names of further ones that are known not to.
    """
    known = {TRANSFORMS.get(name) for name in DETERMINISTIC_TRANSFORMS}
    return [
        type(transform).__name__
        for transform in transforms
        if type(transform) not in known and type(transform).__name__ not in declared
    ]


def fingerprint_samples(dataset: BaseDataset) -> str:
    """SHA-256 of the list of a dataset's samples: all annotations, and each file's size and time.

    Files that are not on the local disk, and names that are no files, count by name alone.
    """
    digest = hashlib.sha256()
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        digest.update(json.dumps(info, sort_keys=True, default=_plain).encode())
        try:
            status = os.stat(info['img_path'])
        except (KeyError, OSError):
            continue
        digest.update(f'{status.st_size} {status.st_mtime_ns}'.encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """What stands for a value in JSON."""
    if isinstance(value, torch.Tensor):
        value = value.cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        value = np.ascontiguousarray(value)
        return [str(value.dtype), value.shape, hashlib.sha256(value).hexdigest()]
    return repr(value)
