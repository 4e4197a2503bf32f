# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from mmfer.inference.model_runner import ModelRunner
from mmfer.models import TransFER
from mmfer.models.pooling_settings import read_pooling
from mmfer.visualization.local_maps import LocalMapRow, draw_local_maps

from .compare_attention import check_same_size
from .pooling import face_batches, pooled_faces


def compare_maps(
    config: str | Path,
    checkpoint: str | Path,
    transfer: tuple[str | Path, str | Path],
    *,
    num: int = 6,
    images: Iterable[str] = (),
    cfg_options: Iterable[str] = (),
    device: str = 'cpu',
    title: str | None = None,
) -> Figure:
    """Draw APViT's Figure 1: TransFER's attention maps, and the patches that APP keeps.

    Args:
        config (str | Path): Config of a model with patch pooling.
        checkpoint (str | Path): Its weights.
        transfer (tuple[str | Path, str | Path]): Config and checkpoint of a :class:`.TransFER` for
            images of the same size.
        num (int): Number of faces, spread evenly over the test set of ``config``. Defaults to 6.
        images (Iterable[str]): Files with aligned faces to show instead. Defaults to ``()``.
        cfg_options (Iterable[str]): ``KEY=VALUE`` settings that override ``config``, such as
            ``'model.backbone.app.keep_num=80'``.
        device (str): Device of the models. Defaults to ``'cpu'``.
        title (str, optional): Title of the figure; ``''`` for no title. Defaults to None, the names
            of both configs.

    Returns:
        A figure without a window.

    Raises:
        FileNotFoundError: A config or checkpoint does not exist.
        ValueError: A checkpoint belongs to another model, the first model drops no patches, the
            second is not a TransFER, or they take images of different sizes.
        UnreadableImageError: One of ``images`` cannot be read.
    """
    pooled = ModelRunner.from_files(str(config), str(checkpoint), cfg_options, device)
    weighed = ModelRunner.from_files(*map(str, transfer), device=device)
    rows = [
        row
        for batch in face_batches(pooled, num, images)
        for row in local_map_rows(pooled, weighed, batch)
    ]
    if title is None:
        title = f'{Path(transfer[0]).stem}\n{Path(config).stem}'
    return draw_local_maps(rows, title)


def local_map_rows(
    pooled: ModelRunner, transfer: ModelRunner, batch: dict[str, Any]
) -> list[LocalMapRow]:
    """Return the rows of the figure for a batch of faces.

    Args:
        pooled (ModelRunner): The model with patch pooling.
        transfer (ModelRunner): A :class:`.TransFER`.
        batch (dict[str, Any]): See :meth:`.ModelRunner.predict`.

    Raises:
        ValueError: ``pooled`` drops no patches, ``transfer`` is not a TransFER, or the models take
            images of different sizes.
    """
    backbone = transfer.model.backbone
    if not isinstance(backbone, TransFER):
        raise ValueError(
            f'attention maps need model.backbone.type=TransFER, and {transfer.cfg.filename} has '
            f'{type(backbone).__name__}'
        )
    keep_num = read_pooling(pooled.model.backbone).keep_num
    if keep_num is None:
        raise ValueError(
            f'{pooled.cfg.filename} has no patch pooling that drops patches '
            "(model.backbone.app with mode='hard')"
        )
    check_same_size(pooled, transfer)
    with recorded_maps(backbone) as maps:
        weighed = pooled_faces(transfer, batch)
    kept = pooled_faces(pooled, batch)
    return [
        LocalMapRow(
            image=left.image,
            weights=weights.view(face.grid).cpu().numpy(),
            kept=left.kept['app'],
            grid=left.grid,
            truth=left.truth,
        )
        for weights, face, left in zip(maps[0], weighed, kept, strict=True)
    ]


@contextmanager
def recorded_maps(backbone: TransFER) -> Iterator[list[Tensor]]:
    """Collect the maps ``(B, N)``, the maximum over branches, that multiply the features."""
    maps = []

    def record(local, args, _):
        maps.append(local.maps(args[0]).amax(dim=1))

    with backbone.local.register_forward_hook(record):
        yield maps
