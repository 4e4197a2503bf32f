# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Whether a dataset returns the same images in every epoch, and which images they are."""

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

#: Transforms that draw no random numbers, with any arguments.
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

# They return samples of one dataset, with the `sample_idx` of that inner dataset.
_WRAPPERS = (RepeatDataset, ClassBalancedDataset, KFoldDataset)


def innermost_dataset(dataset: Any) -> BaseDataset:
    """Return the dataset inside its wrappers, to which ``sample_idx`` refers.

    Raises:
        TypeError: ``sample_idx`` is not unique or missing: each dataset of a concatenation has a
            sample 0, and only mmengine's ``BaseDataset`` sets the key.
    """
    while isinstance(dataset, _WRAPPERS):
        dataset = dataset.dataset
    if not isinstance(dataset, BaseDataset):
        raise TypeError(
            f'samples of a {type(dataset).__name__} have no unique number; use one dataset '
            "based on mmengine's BaseDataset, alone or in "
            f'{", ".join(wrapper.__name__ for wrapper in _WRAPPERS)}'
        )
    return dataset


def leaf_datasets(dataset: Any) -> list:
    """Return the datasets inside all wrappers.

    Wrappers are those of mmengine and mmpretrain, including concatenation, and
    ``torch.utils.data.Subset`` and similar classes.
    """
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    inner = inner.values() if isinstance(inner, Mapping) else inner
    found = [leaf for item in inner if item is not None for leaf in leaf_datasets(item)]
    return found or [dataset]


def random_transforms(transforms: Iterable, declared: Collection[str] = ()) -> list[str]:
    """Return the names of the transforms that may draw random numbers.

    Args:
        transforms (Iterable): Built transforms.
        declared (Collection[str]): Names of further transforms that are known to be deterministic.
            Defaults to none.
    """
    known = {TRANSFORMS.get(name) for name in DETERMINISTIC_TRANSFORMS}
    return [
        type(transform).__name__
        for transform in transforms
        if type(transform) not in known and type(transform).__name__ not in declared
    ]


def fingerprint_samples(dataset: BaseDataset) -> str:
    """Return a SHA-256 of a dataset's samples: all annotations, and each file's size and time.

    Images that are not local files count by name only.
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
    """Return a stand-in for a value that JSON cannot store."""
    if isinstance(value, torch.Tensor):
        value = value.cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        value = np.ascontiguousarray(value)
        return [str(value.dtype), value.shape, hashlib.sha256(value).hexdigest()]
    return repr(value)
