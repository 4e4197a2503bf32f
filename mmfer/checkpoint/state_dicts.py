# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find the weights in a checkpoint and compare them with those of a model."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch


def unwrap(checkpoint: Mapping) -> dict[str, torch.Tensor]:
    """The state dict in a checkpoint: bare, or under a usual key, and without ``module.``.

    Raises:
        ValueError: There are no named tensors in it.
    """
    for wrapper in ('model', 'state_dict'):  # the one may lie in the other
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(wrapper), Mapping):
            checkpoint = checkpoint[wrapper]
    if not isinstance(checkpoint, Mapping) or not any(map(torch.is_tensor, checkpoint.values())):
        raise ValueError('it holds no named tensors, neither bare nor as "state_dict" or "model"')
    return {key.removeprefix('module.'): value for key, value in checkpoint.items()}


def take_prefix(weights: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Those of the weights whose names begin with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


@dataclass
class StateDictReport:
    """What fits between a model and a checkpoint.

    ``str(report)`` is one line; :meth:`details` lists names.
    """

    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    #: Share of the model's numbers (not tensors) that the checkpoint fills, 0-1.
    share: float = 1.0

    def __str__(self) -> str:
        # Rounded down: 100 % means all.
        share = math.floor(self.share * 1000) / 10
        return (
            f'{len(self.matched)} weights match ({share:.1f}% of the model), '
            f'{len(self.missing)} are missing, {len(self.unexpected)} unexpected, '
            f'{len(self.reshaped)} of another shape'
        )

    def details(self, limit: int = 5) -> str:
        """The first ``limit`` names of each kind that does not fit; empty if everything fits."""
        kinds = {
            'in the model only': self.missing,
            'in the checkpoint only': self.unexpected,
            'of another shape': self.reshaped,
        }
        lines = []
        for kind, names in kinds.items():
            if names:
                more = f', and {len(names) - limit} more' if len(names) > limit else ''
                lines.append(f'  {kind}: {", ".join(names[:limit])}{more}')
        return '\n'.join(lines)


def compare_state_dicts(
    model: Mapping[str, torch.Tensor], checkpoint: Mapping[str, torch.Tensor]
) -> StateDictReport:
    """Compare names and shapes. BatchNorm's ``num_batches_tracked`` does not count as missing."""
    report = StateDictReport()
    filled = total = 0
    for name, value in model.items():
        other = checkpoint.get(name)
        if other is None and name.endswith('num_batches_tracked'):
            continue
        total += value.numel()
        if other is None:
            report.missing.append(name)
        elif tuple(getattr(other, 'shape', ())) != tuple(value.shape):
            shape = tuple(getattr(other, 'shape', ()))
            report.reshaped.append(f'{name} (model {tuple(value.shape)}, checkpoint {shape})')
        else:
            report.matched.append(name)
            filled += value.numel()
    report.unexpected = [name for name in checkpoint if name not in model]
    report.share = filled / total if total else 1.0
    return report


def check_numbers(weights: Mapping[str, torch.Tensor], names: Iterable[str]) -> None:
    """Check that training has not diverged: a net with NaN always answers the same.

    Raises:
        ValueError: One of the weights that are named holds NaN.
    """
    if broken := [name for name in names if weights[name].isnan().any()]:
        raise ValueError(
            f'it holds what is not a number in {len(broken)} weights, such as {broken[0]}: its '
            'training has diverged. Use an earlier checkpoint'
        )
