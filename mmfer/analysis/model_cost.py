# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What one image costs the model of a config."""

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.utils import to_2tuple
from mmpretrain.models import MobileOne, RepVGG
from torch import nn

from mmfer.models import KTAdapter
from mmfer.registry import MODELS
from mmfer.utils.image_size import image_size

from .flops import Cost, count_cost, count_published_cost


def model_cost(cfg: Config, shape: Sequence[int] | None = None) -> dict[str, Any]:
    """Build the model of a config and count what it costs; its weights are not loaded.

    Args:
        cfg (Config): The config; left as it is.
        shape (Sequence[int], optional): Height and width in pixels, or one number for both.
            Defaults to what the model or the test pipeline says, else 224.

    Returns:
        Plain values of one image in inference:

        * ``shape``: height and width of the image, pixels; ``shape_from``: where they are from;
        * ``gflops``: as published figures are counted, see :func:`published_cost`;
        * ``gflops_run``: as the model is configured, which may be less (APViT) or, before its
          branches are merged, more;
        * ``params_m``: parameters, in 10^6;
        * ``adapter_mflops``: of a KT-Adapter, in 10^6; None if there is none;
        * ``tokens``: per block; empty for models without;
        * ``parts``: GFLOPs of the model's parts, two levels deep.
    """
    model = MODELS.build(cfg.model.to_dict())
    backbone = model.backbone
    shape, source = _shape(cfg, backbone, shape)
    run = count_cost(model, shape)
    published = _published(model, shape)
    return dict(
        shape=shape,
        shape_from=source,
        gflops=published.gflops,
        gflops_run=run.gflops,
        params_m=run.params_m,
        adapter_mflops=run.by_module['neck'] * 1e3 if isinstance(model.neck, KTAdapter) else None,
        tokens=backbone.token_counts(shape) if hasattr(backbone, 'token_counts') else [],
        parts=published.by_module,
    )


def published_cost(cfg: Config) -> Cost:
    """Count as published figures are: see :func:`.count_published_cost`; MobileOne and RepVGG have
    merged branches.

    Args:
        cfg (Config): The config; left as it is.
    """
    model = MODELS.build(cfg.model.to_dict())
    return _published(model, _shape(cfg, model.backbone, None)[0])


def _published(model: nn.Module, shape: tuple[int, int]) -> Cost:
    """Count a model whose branches may be merged for it."""
    backbone = model.backbone
    if isinstance(backbone, (MobileOne, RepVGG)) and not backbone.deploy:
        backbone.switch_to_deploy()
    return count_published_cost(model, shape)


def _shape(
    cfg: Config, backbone: nn.Module, shape: Sequence[int] | None
) -> tuple[tuple[int, int], str]:
    """Height and width, and where they are from."""
    if shape:
        return tuple(shape * 2 if len(shape) == 1 else shape), '--shape'
    if hasattr(backbone, 'img_size'):
        return to_2tuple(backbone.img_size), "the model's own"
    return image_size(cfg)
