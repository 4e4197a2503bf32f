# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How much the poolings of an APViT keep: the one place that reads and sets ``k`` and ``r``.

Attentive pooling has no parameters: how much it keeps can be changed during and after training,
without building the model again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from .layers import ATPBlock


@dataclass(frozen=True)
class PoolingSettings:
    """How much the poolings of an APViT keep.

    Attributes:
        keep_num: ``k``, patches that go on from the CNN, 1 to all; None where the model has no
            patch pooling, or a soft one, which drops nothing.
        keep_rate: ``r``, the share of its patches that each pooling block keeps, in (0, 1]; None
            where no block pools.
    """

    keep_num: int | None = None
    keep_rate: float | None = None


def read_pooling(backbone: nn.Module) -> PoolingSettings:
    """What a backbone is set to; a backbone without poolings has None of both."""
    app, blocks = _hard_app(backbone), _pooling_blocks(backbone)
    return PoolingSettings(app.keep_num if app else None, blocks[0].keep_rate if blocks else None)


def keep_all(backbone: nn.Module) -> PoolingSettings:
    """The settings with which a backbone drops nothing, as if it had no poolings."""
    return PoolingSettings(
        backbone.num_patches if _hard_app(backbone) else None,
        1.0 if _pooling_blocks(backbone) else None,
    )


def check_pooling(backbone: nn.Module, settings: PoolingSettings) -> None:
    """Refuse settings that a backbone cannot have.

    Raises:
        ValueError: A number is out of its range, or the backbone lacks the pooling.
    """
    if settings.keep_num is not None:
        _check_keep_num(settings.keep_num, backbone)
    if settings.keep_rate is not None:
        _check_keep_rate(settings.keep_rate, backbone)


def set_pooling(backbone: nn.Module, settings: PoolingSettings) -> None:
    """Set a backbone's poolings, in place.

    Args:
        backbone: An :class:`.APViT`; another one where ``settings`` has None only.
        settings: What it is to keep; None leaves that pooling as it is.

    Raises:
        ValueError: See :func:`check_pooling`.
    """
    check_pooling(backbone, settings)
    for module, name in _places(backbone):
        value = getattr(settings, name)
        if value is not None:
            setattr(module, name, value)


@contextmanager
def use_pooling(backbone: nn.Module, settings: PoolingSettings) -> Iterator[None]:
    """Set a backbone's poolings, and set them back at the end, also behind an error.

    The backbone is changed in place: threads that share it have to wait for each other.

    Args:
        backbone: See :func:`set_pooling`.
        settings: See :func:`set_pooling`.

    Raises:
        ValueError: See :func:`check_pooling`.
    """
    before = [(module, name, getattr(module, name)) for module, name in _places(backbone)]
    set_pooling(backbone, settings)
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


def _hard_app(backbone: nn.Module) -> nn.Module | None:
    app = getattr(backbone, 'app', None)
    return app if app is not None and app.mode == 'hard' else None


def _pooling_blocks(backbone: nn.Module) -> list[ATPBlock]:
    return [layer for layer in getattr(backbone, 'layers', ()) if isinstance(layer, ATPBlock)]


def _check_keep_num(keep_num: int, backbone: nn.Module) -> None:
    if _hard_app(backbone) is None:
        raise ValueError(
            f'keep_num={keep_num!r}: this {type(backbone).__name__} drops no patches by number; it '
            "needs model.backbone.app with mode='hard'"
        )
    whole = isinstance(keep_num, int) and not isinstance(keep_num, bool)
    if not whole or not 1 <= keep_num <= backbone.num_patches:
        raise ValueError(
            f'keep_num (model.backbone.app.keep_num) must be a whole number from 1 to '
            f'{backbone.num_patches}, not {keep_num!r}'
        )


def _check_keep_rate(keep_rate: float, backbone: nn.Module) -> None:
    if not _pooling_blocks(backbone):
        raise ValueError(
            f'keep_rate={keep_rate!r}: no block of this {type(backbone).__name__} drops tokens; it '
            'needs model.backbone.atp'
        )
    number = isinstance(keep_rate, (int, float)) and not isinstance(keep_rate, bool)
    if not number or not 0 < keep_rate <= 1:
        raise ValueError(
            f'keep_rate (model.backbone.atp.keep_rate) must be in (0, 1], not {keep_rate!r}'
        )
