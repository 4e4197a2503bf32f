# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
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
    read_pooling,
    use_pooling,
)
from mmfer.visualization.attention import AttentionRow, draw_attention

from .attention import attended_faces
from .pooling import face_batches, pooled_faces

# The paper's k in its Figure 7, and its number of patches.
_KEEP_NUMS, _PATCHES = (160, 120, 80), 196


def compare_attention(
    config: str | Path,
    checkpoint: str | Path,
    baseline: tuple[str | Path, str | Path] | None = None,
    *,
    keep_nums: Sequence[int] | None = None,
    num: int = 6,
    images: Iterable[str] = (),
    heads: str = 'mean',
    cfg_options: Iterable[str] = (),
    device: str = 'cpu',
    title: str | None = None,
) -> Figure:
    """Draw APViT's Figure 7: faces, the patches kept at several ``k``, attention before and after.

    Patch pooling has no weights, so one model shows what it would keep at every ``k``. The paper
    does not say whether it trained a model for each.

    Args:
        config: Config of a model with pooling.
        checkpoint: Its weights.
        baseline: Config and checkpoint of a model without pooling. By default (None) it is the
            same model while nothing is pooled.
        keep_nums: Numbers of patches ``k`` to show patch pooling at; attention is that of the
            model's own ``k``. Default: the paper's 160, 120 and 80 of 196, in proportion to its
            grid, or none where it has no hard patch pooling.
        num: Faces, spread evenly over the test set of ``config``. Default 6.
        images: Files with aligned faces to show instead. Default: none.
        heads: How attention heads are joined, ``'mean'`` (default) or ``'max'``.
        cfg_options: ``KEY=VALUE`` settings that override ``config``, not that of the baseline.
        device: Where the models run. Default ``'cpu'``.
        title: Headline. Default (None): the name of the config; ``''`` for none.

    Returns:
        A figure that belongs to no window.

    Raises:
        FileNotFoundError: A config or checkpoint is not there.
        ValueError: A checkpoint is one of another model, ``keep_nums`` do not fit the model, or the
            models take images of different sizes.
        UnreadableImageError: One of ``images`` cannot be read.
    """
    after = ModelRunner.from_files(str(config), str(checkpoint), cfg_options, device)
    before, methods = None, ('nothing pooled', 'pooled')
    if baseline is not None:
        before = ModelRunner.from_files(*map(str, baseline), device=device)
        # Names of configs begin with the method; copies in work folders may be called alike.
        methods = [Path(path).stem.split('_')[0] for path in (baseline[0], config)]
        if methods[0] == methods[1]:
            methods = ('baseline', 'pooled')
    keep_nums = paper_keep_nums(after.model.backbone) if keep_nums is None else keep_nums
    rows = []
    for batch in face_batches(after, num, images):
        rows += attention_rows(after, batch, before, keep_nums, heads)
    names = tuple(f'attention,\n{method}' for method in methods)
    return draw_attention(rows, names, Path(config).stem if title is None else title)


def paper_keep_nums(backbone: nn.Module) -> list[int]:
    """The paper's 160, 120 and 80 of 196 patches in proportion to a backbone's grid.

    Empty where it has no hard patch pooling.
    """
    if read_pooling(backbone).keep_num is None:
        return []
    return [max(1, round(k * backbone.num_patches / _PATCHES)) for k in _KEEP_NUMS]


def attention_rows(
    after: ModelRunner,
    batch: dict[str, Any],
    before: ModelRunner | None = None,
    keep_nums: Sequence[int] = (),
    heads: str = 'mean',
) -> list[AttentionRow]:
    """What the figure shows of a batch of faces.

    Args:
        after: The model with pooling.
        batch: See :meth:`.ModelRunner.predict`.
        before: A model to compare it with. By default it is the same model while nothing is pooled,
            or nothing where it does not pool.
        keep_nums: Numbers of patches ``k`` to show patch pooling at. Default: none.
        heads: See :func:`.attended_faces`.

    Raises:
        ValueError: The model cannot keep one of ``keep_nums``.
    """
    backbone = after.model.backbone
    settings = {k: PoolingSettings(keep_num=k) for k in keep_nums}
    for setting in settings.values():
        check_pooling(backbone, setting)
    kept = {}
    for k, setting in settings.items():
        with use_pooling(backbone, setting):
            kept[k] = [face.kept['app'] for face in pooled_faces(after, batch)]
    pooled = attended_faces(after, batch, heads)
    whole = [None] * len(pooled)
    if before is not None:
        whole = attended_faces(before, batch, heads)
    elif any(len(left) < backbone.num_patches for left in pooled[0].kept.values()):
        with use_pooling(backbone, keep_all(backbone)):
            whole = attended_faces(after, batch, heads)
    return [
        AttentionRow({k: rows[i] for k, rows in kept.items()}, *faces)
        for i, faces in enumerate(zip(whole, pooled, strict=True))
    ]
