# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check that an exported model predicts the same as the model in PyTorch, on the same images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mmfer.utils.markdown import markdown_table

from .exported import ExportedModel
from .load import LoadedModel, random_images, real_images
from .model import ExportError, compute_outputs, network_inputs

#: Largest relative difference that is considered rounding, see :class:`Comparison`.
TOLERANCE = 1e-4
BATCH_SIZES = (1, 2, 7)
#: A selection of tokens is open (a near-tie) if the lowest kept score exceeds the highest dropped
#: score by less than this share of the largest score. Kernels differ by some 1e-6 of the largest
#: score.
OPEN_MARGIN = 1e-5


@dataclass(frozen=True)
class Comparison:
    """Differences between PyTorch and the exported model on the same images, for one batch size.

    Attributes:
        images (str): Name of the images.
        batch_size (int): Batch size; the last batch may be smaller.
        count (int): Number of images.
        largest (dict[str, float]): Output -> largest absolute difference, in units of the output.
        deviation (float): Largest relative difference of any output over all images without a
            near-tie. It is relative to the largest value of the output or to 1, whichever is
            larger.
        deviation_open (float): The same over the images with a near-tie, for which either result is
            correct.
        open_choices (int): Number of images with a near-tie: rounding may change the selection of
            tokens, see :class:`SelectionMargins`.
        same_label (int, optional): Number of images with the same most probable class; None without
            classes.
    """

    images: str
    batch_size: int
    count: int
    largest: dict[str, float]
    deviation: float
    deviation_open: float
    open_choices: int
    same_label: int | None

    def passes(self, tolerance: float = TOLERANCE) -> bool:
        """Whether the images without a near-tie differ only by rounding."""
        return self.deviation <= tolerance  # False for NaN


@torch.no_grad()
def torch_outputs(model: ImageClassifier, images: Tensor) -> dict[str, Tensor]:
    """Return the outputs of a model in eval mode for uint8 BGR images ``(B, 3, H, W)``, on CPU."""
    outputs = compute_outputs(model.head, model.extract_feat(network_inputs(model, images)))
    return {name: value.cpu() for name, value in outputs.items()}


def exported_outputs(exported: ExportedModel, images: Tensor) -> dict[str, Tensor]:
    """Return the outputs of an exported model for uint8 BGR images ``(B, 3, H, W)``."""
    return exported(network_inputs(exported, images))


def compare(
    model: ImageClassifier,
    exported: ExportedModel,
    images: Tensor,
    name: str,
    batch_size: int,
) -> Comparison:
    """Compare a model with its exported form.

    Args:
        model (ImageClassifier): The model in eval mode.
        exported (ExportedModel): Its exported form.
        images (Tensor): uint8 BGR ``(N, 3, H, W)``.
        name (str): Name of the images.
        batch_size (int): Batch size.
    """
    batches = images.split(batch_size)
    outputs, margins = [], []
    for batch in batches:
        with SelectionMargins() as selections:
            outputs.append(torch_outputs(model, batch))
        margins.append(selections.smallest(len(batch)))
    expected = _concatenate(outputs)
    given = _concatenate([exported_outputs(exported, batch) for batch in batches])
    largest = {
        key: (given[key] - value).abs().reshape(len(images), -1).amax(dim=1)
        for key, value in expected.items()
    }
    scales = {key: max(value.abs().max().item(), 1.0) for key, value in expected.items()}
    share = torch.stack([largest[key] / scales[key] for key in scales]).amax(dim=0)
    is_open = torch.cat(margins) < OPEN_MARGIN
    same = None
    if 'scores' in expected:
        same = int((given['scores'].argmax(1) == expected['scores'].argmax(1)).sum())
    return Comparison(
        images=name,
        batch_size=batch_size,
        count=len(images),
        largest={key: value.max().item() for key, value in largest.items()},
        deviation=_largest(share[~is_open]),
        deviation_open=_largest(share[is_open]),
        open_choices=int(is_open.sum()),
        same_label=same,
    )


def compare_all(
    model: ImageClassifier,
    exported: ExportedModel,
    groups: Sequence[tuple[str, Tensor]],
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> list[Comparison]:
    """Run :func:`compare` on several groups of images with several batch sizes."""
    return [
        compare(model, exported, images, name, batch_size)
        for name, images in groups
        for batch_size in batch_sizes
    ]


def verify(
    loaded: LoadedModel, exported: ExportedModel, num: int, tolerance: float = TOLERANCE
) -> dict[str, Any]:
    """Compare an exported model with PyTorch on random pixels and test images; print the table.

    Args:
        loaded (LoadedModel): The model in PyTorch.
        exported (ExportedModel): Its exported form.
        num (int): Number of images of the config's test set.
        tolerance (float): See :meth:`Comparison.passes`. Defaults to 1e-4.

    Returns:
        ``tolerance`` and ``comparisons``, as plain values for a report.

    Raises:
        ExportError: The outputs differ by more than the tolerance.
    """
    groups = [
        ('random pixels', random_images(max(BATCH_SIZES), loaded.size)),
        real_images(loaded.cfg, num, loaded.size),
    ]
    comparisons = compare_all(loaded.model, exported, groups)
    print('largest differences from PyTorch:')
    print(comparison_table(comparisons, tolerance), end='')
    if not all(comparison.passes(tolerance) for comparison in comparisons):
        raise ExportError(
            'the exported model differs from PyTorch by more than --tolerance '
            f'{tolerance:g}; nothing was written'
        )
    return dict(tolerance=tolerance, comparisons=[asdict(row) for row in comparisons])


def comparison_table(comparisons: Sequence[Comparison], tolerance: float) -> str:
    """Return a table with a row for each group of images and batch size."""
    names = list(comparisons[0].largest)
    lines = [['images', 'batch', 'number', *names, 'of largest', 'same label', 'verdict']]
    for row in comparisons:
        lines.append(
            [
                row.images,
                str(row.batch_size),
                str(row.count),
                *(f'{row.largest[name]:.1e}' for name in names),
                f'{row.deviation:.1e}',
                '-' if row.same_label is None else f'{row.same_label}/{row.count}',
                'good' if row.passes(tolerance) else f'above {tolerance:g}',
            ]
        )
    text = markdown_table(lines)
    open_choices = sum(row.open_choices for row in comparisons)
    if open_choices:
        worst = max(row.deviation_open for row in comparisons)
        text += (
            f'{open_choices} of {sum(row.count for row in comparisons)} outputs depend on a '
            f'near-tie between tokens; they differ by up to {worst:.1e} and are not judged: '
            'either selection is correct\n'
        )
    return text


class SelectionMargins(TorchFunctionMode):
    """A context manager that records the margin between kept and dropped scores of every ``topk``.

    Two correct kernels differ in the last bits of a score. If the k-th and the next score are that
    close, or equal as for two patches of a flat background, the kernels keep different tokens, and
    the outputs differ by far more than rounding. Neither is wrong.

    Example:
        >>> with SelectionMargins() as margins:
        ...     model(images)
        >>> margins.smallest(len(images)) < OPEN_MARGIN
    """

    def __init__(self):
        super().__init__()
        self._margins: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (torch.topk, torch.Tensor.topk):
            self._record(*args, **kwargs)
        return func(*args, **kwargs)

    def _record(self, scores: Tensor, k: int, *_, **__) -> None:
        if k >= scores.shape[-1]:
            return
        best = scores.detach().float().topk(k + 1, dim=-1).values
        scale = scores.detach().float().abs().amax(dim=-1).clamp_min(1e-30)
        self._margins.append((best[:, k - 1] - best[:, k]) / scale)

    def smallest(self, batch: int) -> Tensor:
        """Return the smallest margin of each image, ``(batch,)``; infinite if nothing is selected.

        Margins are shares of the largest score.
        """
        if not self._margins:
            return torch.full((batch,), torch.inf)
        return torch.stack(self._margins).amin(dim=0).cpu()


def _concatenate(batches: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}


def _largest(values: Tensor) -> float:
    return values.max().item() if len(values) else 0.0
