# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import nn

from mmfer.inference.model_runner import ModelRunner
from mmfer.models.pooling_settings import (
    PoolingSettings,
    check_pooling,
    keep_all,
    use_pooling,
)
from mmfer.visualization.attention import AttentionRow, draw_attention

from .attention import PREDICTED, attended_faces
from .pooling import face_batches, pooled_faces

# The values of k in the paper's Figure 7, and its number of patches.
_KEEP_NUMS, _PATCHES = (160, 120, 80), 196


def compare_attention(
    config: str | Path,
    checkpoint: str | Path,
    baseline: tuple[str | Path, str | Path] | None = None,
    *,
    keep_nums: Sequence[int] | None = None,
    num: int = 6,
    images: Iterable[str] = (),
    method: str = 'attribution',
    target: str = PREDICTED,
    heads: str = 'mean',
    cfg_options: Iterable[str] = (),
    device: str = 'cpu',
    title: str | None = None,
) -> Figure:
    """Draw APViT's Figure 7: faces, the patches kept at several ``k``, attention before and after.

    Patch pooling has no weights, so one model can run with any ``k``. The paper does not say
    whether it trained a model for each ``k``.

    Args:
        config (str | Path): Config of a model with pooling.
        checkpoint (str | Path): Its weights.
        baseline (tuple[str | Path, str | Path], optional): Config and checkpoint of a model without
            pooling. Defaults to None, the model of ``config`` with pooling disabled.
        keep_nums (Sequence[int], optional): Values of ``k`` at which kept patches are shown.
            Attention maps use the model's own ``k``. Defaults to None: the paper's 160, 120 and 80
            of 196 patches, scaled to the model's grid, or an empty list if the model has no hard
            patch pooling.
        num (int): Number of faces, spread evenly over the test set of ``config``. Defaults to 6.
        images (Iterable[str]): Files with aligned faces to show instead. Defaults to ``()``.
        method (str): ``'attribution'`` (default), as in the paper, or ``'rollout'``, see
            :func:`.attended_faces`.
        target (str): The class to explain by attribution: ``'predicted'`` (default), ``'true'`` or
            a class name.
        heads (str): How attention heads are joined, ``'mean'`` (default) or ``'max'``.
        cfg_options (Iterable[str]): ``KEY=VALUE`` settings that override ``config``, but not the
            config of the baseline.
        device (str): Device of the models. Defaults to ``'cpu'``.
        title (str, optional): Title of the figure; ``''`` for no title. Defaults to None, the name
            of the config.

    Returns:
        A figure without a window.

    Raises:
        FileNotFoundError: A config or checkpoint does not exist.
        ValueError: A checkpoint belongs to another model, ``keep_nums`` do not fit the model, the
            models take images of different sizes, or see :func:`.attended_faces`.
        UnreadableImageError: One of ``images`` cannot be read.
    """
    after = ModelRunner.from_files(str(config), str(checkpoint), cfg_options, device)
    before, names = None, ('nothing pooled', 'pooled')
    if baseline is not None:
        before = ModelRunner.from_files(*map(str, baseline), device=device)
        # Names of configs begin with the method; copies in work folders may have the same name.
        names = [Path(path).stem.split('_')[0] for path in (baseline[0], config)]
        if names[0] == names[1]:
            names = ('baseline', 'pooled')
    rows = []
    for batch in face_batches(after, num, images):
        if keep_nums is None:
            keep_nums = paper_keep_nums(after.model.backbone, batch['inputs'].shape[2:])
        rows += attention_rows(after, batch, before, keep_nums, heads, method, target)
    names = tuple(f'{method},\n{name}' for name in names)
    return draw_attention(rows, names, Path(config).stem if title is None else title)


def paper_keep_nums(backbone: nn.Module, size: Sequence[int] | None = None) -> list[int]:
    """Scale the paper's 160, 120 and 80 of 196 patches to the grid for images of ``size``.

    Returns an empty list if the backbone has no hard patch pooling.
    """
    patches = keep_all(backbone, size).keep_num
    return [max(1, round(k * patches / _PATCHES)) for k in _KEEP_NUMS] if patches else []


def check_same_size(one: ModelRunner, other: ModelRunner) -> None:
    """Check that two models take images of the same size.

    Raises:
        ValueError: The image sizes differ.
    """
    sizes = [getattr(runner.model.backbone, 'img_size', None) for runner in (one, other)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f'model.backbone.img_size is {sizes[0]} in {one.cfg.filename} and {sizes[1]} in '
            f'{other.cfg.filename}; only models of one image size can be compared'
        )


def attention_rows(
    after: ModelRunner,
    batch: dict[str, Any],
    before: ModelRunner | None = None,
    keep_nums: Sequence[int] = (),
    heads: str = 'mean',
    method: str = 'attribution',
    target: str = PREDICTED,
) -> list[AttentionRow]:
    """Return the rows of the figure for a batch of faces.

    Args:
        after (ModelRunner): The model with pooling.
        batch (dict[str, Any]): See :meth:`.ModelRunner.predict`.
        before (ModelRunner, optional): A model to compare it with. Defaults to None: the same model
            with pooling disabled, or no model if ``after`` drops no patches.
        keep_nums (Sequence[int]): Values of ``k`` at which kept patches are shown. Defaults to
            ``()``.
        heads (str): See :func:`.attended_faces`. Defaults to ``'mean'``.
        method (str): See :func:`.attended_faces`. Defaults to ``'attribution'``.
        target (str): See :func:`.attended_faces`. Defaults to ``'predicted'``.

    Raises:
        ValueError: The model cannot keep one of ``keep_nums``, or the two models take images of
            different sizes.
    """
    backbone = after.model.backbone
    size = batch['inputs'].shape[2:]
    settings = {k: PoolingSettings(keep_num=k) for k in keep_nums}
    for setting in settings.values():
        check_pooling(backbone, setting, size)
    kept = {}
    for k, setting in settings.items():
        with use_pooling(backbone, setting, size):
            kept[k] = [face.kept['app'] for face in pooled_faces(after, batch)]
    pooled = attended_faces(after, batch, heads, method, target)
    whole = [None] * len(pooled)
    if before is not None:
        check_same_size(after, before)
        whole = attended_faces(before, batch, heads, method, target)
    elif any(len(left) < math.prod(pooled[0].grid) for left in pooled[0].kept.values()):
        with use_pooling(backbone, keep_all(backbone, size), size):
            whole = attended_faces(after, batch, heads, method, target)
    return [
        AttentionRow({k: rows[i] for k, rows in kept.items()}, *faces)
        for i, faces in enumerate(zip(whole, pooled, strict=True))
    ]
