# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib
from collections import defaultdict
from collections.abc import Sequence

from .face_dataset import EmptySplitError
from .splits import SPLITS


def check_holdout(dataset: str, split: str, val_ratio: float) -> None:
    """Check the arguments of a dataset whose validation part comes out of its training list.

    Args:
        dataset: Name of the dataset, for messages.
        split: Its part, one of :data:`~mmfer.datasets.splits.SPLITS`.
        val_ratio: Share of the training list to hold out; 0 for none, so that there is no ``val``.

    Raises:
        ValueError: An argument is none of these.
        EmptySplitError: ``split`` is ``'val'`` and nothing is held out.
    """
    if split not in SPLITS:
        raise ValueError(f'{dataset}: split must be one of {SPLITS}, not {split!r}')
    if not 0 <= val_ratio < 1:
        raise ValueError(f'{dataset}: val_ratio must be in [0, 1), not {val_ratio}')
    if split == 'val' and val_ratio == 0:
        raise EmptySplitError(
            f"{dataset}: split='val' is empty with val_ratio=0. Set val_ratio (such as .1) in the "
            "training *and* the validation dataset, or use split='test'."
        )


def stratified_holdout(
    names: Sequence[str], labels: Sequence[int], ratio: float, seed: int = 0
) -> list[bool]:
    """Choose a validation part of a training list, the same share of every class.

    Within a class the files are ranked by a hash of their name. The choice therefore depends on
    nothing but names, labels, ratio and seed: not on the order of the list, nor on the version of a
    random generator, and a larger ratio holds out a superset.

    Args:
        names: Unique names, one per sample.
        labels: Class of each sample.
        ratio: Share to hold out, in (0, 1). Each class gives the nearest whole number, but at least
            one sample, and keeps at least one for training; a class of one sample is all training.
        seed: Another seed, another choice. Default 0.

    Returns:
        For each sample, whether it is held out.
    """
    if not 0 < ratio < 1:
        raise ValueError(f'the share to hold out must be in (0, 1), not {ratio}')
    members = defaultdict(list)
    for index, label in enumerate(labels):
        digest = hashlib.sha256(f'{seed}:{names[index]}'.encode()).digest()
        members[label].append((digest, index))
    held_out = [False] * len(names)
    for ranked in members.values():
        count = min(max(round(len(ranked) * ratio), 1), len(ranked) - 1)
        for _, index in sorted(ranked)[:count]:
            held_out[index] = True
    return held_out
