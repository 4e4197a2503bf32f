# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from mmfer.inference.model_runner import ModelRunner
from mmfer.models import APViT
from mmfer.visualization.attention import AttendedFace

from .attention_rollout import (
    READ_BY,
    attention_weights,
    join_heads,
    positions_at_blocks,
    rollout,
)
from .pooling import check_tells_patches, pooled_faces


@contextmanager
def recorded_attention(backbone: APViT) -> Iterator[list[Tensor]]:
    """Collect the attention ``(B, H, T, T)`` of every block that runs inside the context.

    Blocks attend in different ways (all queries, some, fused); what they have in common is that
    they attend to what their first normalisation gives, so it is read off there.
    """
    weights = []
    with ExitStack() as hooks:
        for layer in backbone.layers:

            def record(_, __, y, attn=layer.attn):
                weights.append(attention_weights(attn, y))

            hooks.callback(layer.ln1.register_forward_hook(record).remove)
        yield weights


@torch.no_grad()
def attended_faces(
    runner: ModelRunner, batch: dict[str, Any], heads: str = 'mean'
) -> list[AttendedFace]:
    """Predict a batch of faces and find which patches the predictions are made of.

    Args:
        runner: A classifier whose backbone is an :class:`APViT` or one of its kind, and whose neck
            and head read the [class] token or the average of the patches.
        batch: See :meth:`.ModelRunner.predict`.
        heads: How attention heads are joined, ``'mean'`` (default) or ``'max'``.

    Raises:
        TypeError: The backbone is another one.
        ValueError: The head reads something else, or ``heads`` is unknown.
    """
    check_tells_patches(runner)
    backbone = runner.model.backbone
    if backbone.out_type not in READ_BY:
        raise ValueError(
            f'attention is rolled out for model.backbone.out_type in {tuple(READ_BY)}, '
            f'got {backbone.out_type!r}'
        )
    with recorded_attention(backbone) as weights:
        faces = pooled_faces(runner, batch)
    weights = [join_heads(w.cpu(), heads) for w in weights]
    left = {
        stage: torch.stack([torch.from_numpy(face.kept[stage]) for face in faces])
        for stage in faces[0].kept
    }
    grid = faces[0].grid
    patches = math.prod(grid)
    positions = positions_at_blocks(left, len(weights), patches, batch=len(faces))
    relevance = READ_BY[backbone.out_type](rollout(weights, positions, patches))[:, 1:]
    return [
        AttendedFace(
            **vars(face),
            relevance=relevance[row].view(grid).numpy(),
            first=positions[0][row].numpy(),
            last=positions[-2][row].numpy(),
        )
        for row, face in enumerate(faces)
    ]
