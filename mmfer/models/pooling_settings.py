# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read and set how much the poolings of an APViT keep, ``k`` and ``r``.

Attentive pooling has no parameters, so these can be changed during and after training without
rebuilding the model. This module is the only place that does so.
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
        keep_num (int, optional): ``k``, the number of CNN patches to keep, 1 to all; None if the
            model has no patch pooling, or soft pooling, which drops nothing.
        keep_rate (float | tuple[float, ...], optional): ``r``, the share of patches that each
            pooling block keeps, in (0, 1]; a tuple with one for each pooling block if they differ;
            None if there is no pooling block.
    """

    keep_num: int | None = None
    keep_rate: float | tuple[float, ...] | None = None


def read_pooling(backbone: nn.Module) -> PoolingSettings:
    """Return the settings of a backbone; without poolings, both are None."""
    app, blocks = _hard_app(backbone), _pooling_blocks(backbone)
    rates = tuple(block.keep_rate for block in blocks)
    if len(set(rates)) <= 1:
        rates = rates[0] if rates else None
    return PoolingSettings(app.keep_num if app else None, rates)


def keep_all(backbone: nn.Module, size: Sequence[int] | None = None) -> PoolingSettings:
    """Return the settings with which a backbone drops nothing, as if it had no poolings.

    Args:
        backbone (nn.Module): An :class:`.APViT` or any other backbone.
        size (Sequence[int], optional): Height and width of the images. Defaults to the ``img_size``
            of the backbone.
    """
    return PoolingSettings(
        math.prod(backbone.grid_of(size)) if _hard_app(backbone) else None,
        1.0 if _pooling_blocks(backbone) else None,
    )


def check_pooling(
    backbone: nn.Module, settings: PoolingSettings, size: Sequence[int] | None = None
) -> None:
    """Check that a backbone can have these settings.

    Args:
        backbone (nn.Module): See :func:`set_pooling`.
        settings (PoolingSettings): See :func:`set_pooling`.
        size (Sequence[int], optional): See :func:`keep_all`.

    Raises:
        TypeError: ``keep_rate`` is neither a number nor a sequence of numbers.
        ValueError: A number is out of its range, the number of rates is not that of pooling blocks,
            or the backbone lacks the pooling.
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
                f'blocks of this {name} that drop tokens; set one for all, or one for each'
            )
        for rate in rates:
            check_keep_rate(rate)


def set_pooling(
    backbone: nn.Module, settings: PoolingSettings, size: Sequence[int] | None = None
) -> None:
    """Set the poolings of a backbone, in place.

    Args:
        backbone (nn.Module): An :class:`.APViT`, or any other backbone if ``settings`` has only
            None.
        settings (PoolingSettings): New settings; None leaves that pooling unchanged.
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
    """Set the poolings of a backbone, and restore them at the end, also after an error.

    The backbone is changed in place, so threads that share it must not do this at the same time.

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
    """Yield the modules with settings, each with the name of its attribute."""
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
    # Search all modules, because FSDP and checkpointing wrap those in ``layers``.
    return [module for module in backbone.modules() if isinstance(module, ATPBlock)]
