# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The proof that an exported model is the model: both see the same pictures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor

from .answers import exported_answers, torch_answers
from .errors import ExportError
from .exported_model import ExportedModel
from .loading import LoadedModel
from .pictures import random_pictures, real_pictures
from .selection import OPEN_MARGIN, SelectionMargins

#: Largest difference that is put down to rounding, see :class:`Comparison`.
TOLERANCE = 1e-4
BATCH_SIZES = (1, 2, 7)


@dataclass(frozen=True)
class Comparison:
    """What PyTorch and the exported model made of the same pictures in batches of one size.

    Attributes:
        pictures: What they are.
        batch_size: How many at once; of the last batch there may be fewer.
        count: How many in all.
        largest: By output, the largest absolute difference, in units of the output.
        deviation: The largest difference of any output, over all pictures whose choice of tokens
            is clear, as a share of the largest value of that output or of 1, whichever is more.
        deviation_open: The same over the other pictures, of which either answer is right.
        open_choices: How many pictures have a choice of tokens that rounding may turn, see
            :class:`.SelectionMargins`.
        same_label: Of how many the likeliest class is the same; None without classes.
    """

    pictures: str
    batch_size: int
    count: int
    largest: dict[str, float]
    deviation: float
    deviation_open: float
    open_choices: int
    same_label: int | None

    def passes(self, tolerance: float = TOLERANCE) -> bool:
        """Whether the pictures whose choice of tokens is clear differ by rounding only."""
        return self.deviation <= tolerance  # not if it is NaN

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    model: ImageClassifier,
    exported: ExportedModel,
    pictures: Tensor,
    name: str,
    batch_size: int,
) -> Comparison:
    """Compare a model with its exported form.

    Args:
        model: In eval mode.
        exported: What was exported of it.
        pictures: uint8 BGR ``(N, 3, H, W)``.
        name: What they are.
        batch_size: How many at once.
    """
    rows: list[tuple[dict[str, Tensor], Tensor, Tensor | None]] = []
    scales: dict[str, float] = {}
    for batch in pictures.split(batch_size):
        with SelectionMargins() as margins:
            expected = torch_answers(model, batch)
        given = exported_answers(exported, model, batch)
        differences = {key: _per_picture(given[key] - expected[key]) for key in expected}
        for key, value in expected.items():
            scales[key] = max(scales.get(key, 1.0), value.abs().max().item())
        same = None
        if 'scores' in expected:
            same = given['scores'].argmax(1) == expected['scores'].argmax(1)
        rows.append((differences, margins.smallest(len(batch)), same))
    largest = {key: torch.cat([row[0][key] for row in rows]) for key in scales}
    share = torch.stack([largest[key] / scales[key] for key in scales]).amax(dim=0)
    is_open = torch.cat([row[1] for row in rows]) < OPEN_MARGIN
    labels = [row[2] for row in rows if row[2] is not None]
    return Comparison(
        pictures=name,
        batch_size=batch_size,
        count=len(pictures),
        largest={key: value.max().item() for key, value in largest.items()},
        deviation=_largest(share[~is_open]),
        deviation_open=_largest(share[is_open]),
        open_choices=int(is_open.sum()),
        same_label=int(torch.cat(labels).sum()) if labels else None,
    )


def compare_all(
    model: ImageClassifier,
    exported: ExportedModel,
    groups: Sequence[tuple[str, Tensor]],
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> list[Comparison]:
    """:func:`compare` several groups of pictures, each in batches of several sizes."""
    return [
        compare(model, exported, pictures, name, batch_size)
        for name, pictures in groups
        for batch_size in batch_sizes
    ]


def compare_on_test_set(loaded: LoadedModel, exported: ExportedModel, num: int) -> list[Comparison]:
    """:func:`compare_all` on random pixels and on ``num`` pictures of the config's test set."""
    groups = [
        ('random pixels', random_pictures(max(BATCH_SIZES), loaded.size)),
        real_pictures(loaded.cfg, num, loaded.size),
    ]
    return compare_all(loaded.model, exported, groups)


def require_agreement(comparisons: Sequence[Comparison], tolerance: float = TOLERANCE) -> None:
    """Refuse an exported model that is not the model.

    Raises:
        ExportError: One of the comparisons does not pass.
    """
    if not all(comparison.passes(tolerance) for comparison in comparisons):
        raise ExportError(
            'the exported model differs from PyTorch by more than --tolerance '
            f'{tolerance:g}; nothing was written'
        )


def _per_picture(difference: Tensor) -> Tensor:
    """The largest absolute difference ``(B,)`` of each picture."""
    return difference.abs().flatten(1).amax(dim=1) if difference.ndim > 1 else difference.abs()


def _largest(values: Tensor) -> float:
    return values.max().item() if len(values) else 0.0
