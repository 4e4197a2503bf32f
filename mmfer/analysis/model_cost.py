# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The cost per image of the model of a config."""

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
    """Build the model of a config and count its cost. Its weights are not loaded.

    Args:
        cfg (Config): The config; it is not changed.
        shape (Sequence[int], optional): Height and width in pixels, or one number for both.
            Defaults to None: the size of the model or the test pipeline, else 224.

    Returns:
        Plain values for inference of one image:

        * ``shape``: height and width of the image in pixels; ``shape_from``: their source;
        * ``gflops``: GFLOPs counted as in the published figures, see :func:`published_cost`;
        * ``gflops_run``: GFLOPs of the model as configured: less than ``gflops`` for APViT, more
          for models with unmerged branches;
        * ``params_m``: parameters, in 10^6;
        * ``adapter_mflops``: MFLOPs of the KT-Adapter; None if there is none;
        * ``tokens``: tokens per block; empty for models without tokens;
        * ``parts``: published GFLOPs of the submodules, two levels deep.
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
    """Count the cost of a model as in the published figures.

    See :func:`.count_published_cost`. The branches of MobileOne and RepVGG are merged.

    Args:
        cfg (Config): The config; it is not changed.
    """
    model = MODELS.build(cfg.model.to_dict())
    return _published(model, _shape(cfg, model.backbone, None)[0])


def _published(model: nn.Module, shape: tuple[int, int]) -> Cost:
    """Count the published cost; merges the branches of ``model`` in place, if it has any."""
    backbone = model.backbone
    if isinstance(backbone, (MobileOne, RepVGG)) and not backbone.deploy:
        backbone.switch_to_deploy()
    return count_published_cost(model, shape)


def _shape(
    cfg: Config, backbone: nn.Module, shape: Sequence[int] | None
) -> tuple[tuple[int, int], str]:
    """Return height and width, and their source."""
    if shape:
        return tuple(shape * 2 if len(shape) == 1 else shape), '--shape'
    if hasattr(backbone, 'img_size'):
        return to_2tuple(backbone.img_size), "the model's own"
    return image_size(cfg)
