# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find the weights in a checkpoint and compare them with those of a model."""

import contextlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

#: What torch.compile puts before the names of what it wraps, a whole model or a part.
_COMPILED = re.compile(r'(?<![^.])_orig_mod\.')


def unwrap(checkpoint: Mapping) -> dict[str, torch.Tensor]:
    """The state dict in a checkpoint: bare, or under a usual key, by :func:`plain_names`.

    Raises:
        ValueError: There are no named tensors in it, or some twice.
    """
    for wrapper in ('model', 'state_dict'):  # the one may lie in the other
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(wrapper), Mapping):
            checkpoint = checkpoint[wrapper]
    if not isinstance(checkpoint, Mapping) or not any(map(torch.is_tensor, checkpoint.values())):
        raise ValueError('it holds no named tensors, neither bare nor as "state_dict" or "model"')
    return plain_names(checkpoint)


def plain_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights without the ``module.`` of DataParallel and the ``_orig_mod.`` of torch.compile.

    Raises:
        ValueError: Two names become one.
    """
    plain = {_COMPILED.sub('', str(k)).removeprefix('module.'): v for k, v in weights.items()}
    if len(plain) < len(weights):
        raise ValueError('it holds weights twice, with and without "module." or "_orig_mod."')
    return plain


def take_prefix(weights: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Those of the weights whose names begin with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def as_loaded(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights as the parts of a model take them over: position embeddings of backbones for
    other sizes of image in the size of ours.
    """
    weights = dict(weights)
    for name, module in model.named_modules():
        prefix = f'{name}.' if name else ''
        for hook in module._load_state_dict_pre_hooks.values():
            # Where one cannot make it fit, the shapes tell.
            with contextlib.suppress(Exception):
                hook(weights, prefix, {}, False, [], [], [])
    return weights


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
        elif not torch.is_tensor(other) or other.shape != value.shape:
            shape = tuple(other.shape) if torch.is_tensor(other) else type(other).__name__
            report.reshaped.append(f'{name} (model {tuple(value.shape)}, checkpoint {shape})')
        else:
            report.matched.append(name)
            filled += value.numel()
    report.unexpected = [name for name in checkpoint if name not in model]
    report.share = filled / total if total else 1.0
    return report


def check_numbers(weights: Mapping[str, torch.Tensor], names: Iterable[str] | None = None) -> None:
    """Check that all weights and buffers are finite.

    A net with NaN or infinite weights always answers the same, and one with an infinite variance,
    which half precision makes of those above 65504, goes on without what that normalizes.

    Args:
        weights (Mapping[str, torch.Tensor]): Tensors by name.
        names (Iterable[str], optional): Which of them. Defaults to all.

    Raises:
        ValueError: One of them holds NaN or infinity.
    """
    names = [
        name for name in (weights if names is None else names) if torch.is_tensor(weights[name])
    ]
    # One question for all, because a GPU is waited for at each.
    finite = [_is_finite(weights[name]) for name in names]
    if finite and not torch.stack(finite).all():
        broken = [name for name, sound in zip(names, finite, strict=True) if not sound]
        raise ValueError(
            f'it holds NaN or infinity in {len(broken)} weights, such as {broken[0]}: its training '
            'has diverged, or they overflowed in half precision. Use an earlier checkpoint, or one '
            'of a higher precision'
        )


def named_tensors(value: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in nested dicts and lists, such as an optimizer's state, with their place."""
    if torch.is_tensor(value):
        yield name, value
    elif isinstance(value, (Mapping, list, tuple)):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from named_tensors(item, f'{name}.{key}')


def _is_finite(value: torch.Tensor) -> torch.Tensor:
    if value.is_floating_point() and value.element_size() == 1:  # 8 bits: no such test
        value = value.float()
    return value.isfinite().all()
