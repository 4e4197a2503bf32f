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

#: Prefix that torch.compile adds to the names in the modules it wraps.
_COMPILED = re.compile(r'(?<![^.])_orig_mod\.')


def unwrap(checkpoint: Mapping) -> dict[str, torch.Tensor]:
    """Return the state dict in a checkpoint: bare, or under ``model`` or ``state_dict``.

    Names are cleaned by :func:`plain_names`.

    Raises:
        ValueError: There are no named tensors, or a name occurs twice.
    """
    for wrapper in ('model', 'state_dict'):  # 'state_dict' may be inside 'model'
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(wrapper), Mapping):
            checkpoint = checkpoint[wrapper]
    if not isinstance(checkpoint, Mapping) or not any(map(torch.is_tensor, checkpoint.values())):
        raise ValueError('it holds no named tensors, neither bare nor as "state_dict" or "model"')
    return plain_names(checkpoint)


def plain_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Remove the ``module.`` of DataParallel and the ``_orig_mod.`` of torch.compile from names.

    Raises:
        ValueError: Two names become the same.
    """
    plain = {_COMPILED.sub('', str(k)).removeprefix('module.'): v for k, v in weights.items()}
    if len(plain) < len(weights):
        raise ValueError('it has weights twice, with and without "module." or "_orig_mod."')
    return plain


def take_prefix(weights: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Select the weights whose names start with ``prefix``, and remove it from their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def as_loaded(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights after the model's own load hooks, which resize position embeddings for
    another image size.
    """
    weights = dict(weights)
    for name, module in model.named_modules():
        prefix = f'{name}.' if name else ''
        for hook in module._load_state_dict_pre_hooks.values():
            # If a hook fails, the comparison of shapes shows why.
            with contextlib.suppress(Exception):
                hook(weights, prefix, {}, False, [], [], [])
    return weights


@dataclass
class StateDictReport:
    """Result of comparing a model with a checkpoint.

    ``str(report)`` is one line; :meth:`details` lists names.
    """

    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    #: Fraction of the model's numbers (not tensors) that the checkpoint provides, 0-1.
    share: float = 1.0

    def __str__(self) -> str:
        # Rounded down, so that 100 % means all.
        share = math.floor(self.share * 1000) / 10
        return (
            f'{len(self.matched)} weights match ({share:.1f}% of the model), '
            f'{len(self.missing)} are missing, {len(self.unexpected)} unexpected, '
            f'{len(self.reshaped)} of another shape'
        )

    def details(self, limit: int = 5) -> str:
        """Return the first ``limit`` names of each kind of mismatch; empty if there is none."""
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
    """Compare names and shapes. A missing ``num_batches_tracked`` of BatchNorm is ignored."""
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


def check_numbers(
    weights: Mapping[str, torch.Tensor], names: Iterable[str] | None = None, source: str = 'it'
) -> None:
    """Check that all weights and buffers are finite.

    A model with NaN or infinite weights always returns the same prediction. An infinite variance,
    which a value above 65504 becomes in half precision, removes the channel that it normalizes.

    Args:
        weights (Mapping[str, torch.Tensor]): Tensors by name.
        names (Iterable[str], optional): The tensors to check. Defaults to None: all.
        source (str): The file, for the message. Defaults to 'it'.

    Raises:
        ValueError: A tensor has NaN or infinite values.
    """
    names = [
        name for name in (weights if names is None else names) if torch.is_tensor(weights[name])
    ]
    # A single check for all, because each one waits for the GPU.
    finite = [_is_finite(weights[name]) for name in names]
    if finite and not torch.stack(finite).all():
        broken = [name for name, sound in zip(names, finite, strict=True) if not sound]
        raise ValueError(
            f'{source} has NaN or infinity in {len(broken)} weights, such as {broken[0]}: its '
            'training has diverged, or they overflowed in half precision. Use an earlier '
            'checkpoint, or one with a higher precision'
        )


def named_tensors(value: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in nested dicts and lists, e.g. an optimizer's state, with dotted names."""
    if torch.is_tensor(value):
        yield name, value
    elif isinstance(value, (Mapping, list, tuple)):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from named_tensors(item, f'{name}.{key}')


def _is_finite(value: torch.Tensor) -> torch.Tensor:
    if value.is_floating_point() and value.element_size() == 1:  # float8 has no isfinite()
        value = value.float()
    return value.isfinite().all()
