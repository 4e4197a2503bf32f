# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How much the poolings of an APViT keep: the one place that reads and sets ``k`` and ``r``.

Attentive pooling has no parameters: how much it keeps can be changed during and after training,
without building the model again.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from .layers.atp_block import ATPBlock, check_keep_rate
from .layers.attentive_patch_pooling import check_keep_num


@dataclass(frozen=True)
class PoolingSettings:
    """How much the poolings of an APViT keep.

    Attributes:
        keep_num (int, optional): ``k``, patches that go on from the CNN, 1 to all; None where the
            model has no patch pooling, or a soft one, which drops nothing.
        keep_rate (float | tuple[float, ...], optional): ``r``, the share of its patches that each
            pooling block keeps, in (0, 1]; a tuple of one for each pooling block where they differ;
            None where no block pools.
    """

    keep_num: int | None = None
    keep_rate: float | tuple[float, ...] | None = None


def read_pooling(backbone: nn.Module) -> PoolingSettings:
    """What a backbone is set to; a backbone without poolings has None of both."""
    app, blocks = _hard_app(backbone), _pooling_blocks(backbone)
    rates = tuple(block.keep_rate for block in blocks)
    if len(set(rates)) <= 1:
        rates = rates[0] if rates else None
    return PoolingSettings(app.keep_num if app else None, rates)


def keep_all(backbone: nn.Module, size: Sequence[int] | None = None) -> PoolingSettings:
    """The settings with which a backbone drops nothing, as if it had no poolings.

    Args:
        backbone (nn.Module): An :class:`.APViT`, or another one.
        size (Sequence[int], optional): Height and width of its images. Defaults to its own,
            ``img_size``.
    """
    return PoolingSettings(
        math.prod(backbone.grid_of(size)) if _hard_app(backbone) else None,
        1.0 if _pooling_blocks(backbone) else None,
    )


def check_pooling(
    backbone: nn.Module, settings: PoolingSettings, size: Sequence[int] | None = None
) -> None:
    """Refuse settings that a backbone cannot have.

    Args:
        backbone (nn.Module): See :func:`set_pooling`.
        settings (PoolingSettings): See :func:`set_pooling`.
        size (Sequence[int], optional): See :func:`keep_all`.

    Raises:
        TypeError: ``keep_rate`` is neither a number nor a sequence of numbers.
        ValueError: A number is out of its range, there are not as many as blocks that pool, or the
            backbone lacks the pooling.
    """
    name = type(backbone).__name__
    if settings.keep_num is not None:
        if _hard_app(backbone) is None:
            raise ValueError(
                f'keep_num={settings.keep_num!r}: this {name} drops no patches by number; it needs '
                "model.backbone.app with mode='hard'"
            )
        check_keep_num(settings.keep_num, math.prod(backbone.grid_of(size)))
    if settings.keep_rate is not None:
        blocks = _pooling_blocks(backbone)
        if not blocks:
            raise ValueError(
                f'keep_rate={settings.keep_rate!r}: no block of this {name} drops tokens; it needs '
                'model.backbone.atp'
            )
        rates = _per_block(settings.keep_rate, len(blocks))
        if len(rates) != len(blocks):
            raise ValueError(
                f'keep_rate={settings.keep_rate!r} has {len(rates)} numbers for the {len(blocks)} '
                f'blocks of this {name} that drop tokens; give one for all, or one for each'
            )
        for rate in rates:
            check_keep_rate(rate)


def set_pooling(
    backbone: nn.Module, settings: PoolingSettings, size: Sequence[int] | None = None
) -> None:
    """Set a backbone's poolings, in place.

    Args:
        backbone (nn.Module): An :class:`.APViT`; another one where ``settings`` has None only.
        settings (PoolingSettings): What it is to keep; None leaves that pooling as it is.
        size (Sequence[int], optional): See :func:`keep_all`.

    Raises:
        ValueError: See :func:`check_pooling`.
    """
    check_pooling(backbone, settings, size)
    if settings.keep_num is not None:
        _hard_app(backbone).keep_num = settings.keep_num
    if settings.keep_rate is not None:
        blocks = _pooling_blocks(backbone)
        for block, rate in zip(blocks, _per_block(settings.keep_rate, len(blocks)), strict=True):
            block.keep_rate = rate


@contextmanager
def use_pooling(
    backbone: nn.Module, settings: PoolingSettings, size: Sequence[int] | None = None
) -> Iterator[None]:
    """Set a backbone's poolings, and set them back at the end, also behind an error.

    The backbone is changed in place: threads that share it have to wait for each other.

    Args:
        backbone (nn.Module): See :func:`set_pooling`.
        settings (PoolingSettings): See :func:`set_pooling`.
        size (Sequence[int], optional): See :func:`keep_all`.

    Raises:
        ValueError: See :func:`check_pooling`.
    """
    before = [(module, name, getattr(module, name)) for module, name in _places(backbone)]
    set_pooling(backbone, settings, size)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _places(backbone: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """The modules that hold settings, each with the name that it has there as here."""
    app = _hard_app(backbone)
    if app is not None:
        yield app, 'keep_num'
    for block in _pooling_blocks(backbone):
        yield block, 'keep_rate'


def _per_block(keep_rate: float | Sequence[float], num_blocks: int) -> Sequence[float]:
    return keep_rate if isinstance(keep_rate, Sequence) else (keep_rate,) * num_blocks


def _hard_app(backbone: nn.Module) -> nn.Module | None:
    app = getattr(backbone, 'app', None)
    return app if app is not None and app.mode == 'hard' else None


def _pooling_blocks(backbone: nn.Module) -> list[ATPBlock]:
    # Of all modules: FSDP and checkpointing wrap those in ``layers``.
    return [module for module in backbone.modules() if isinstance(module, ATPBlock)]
