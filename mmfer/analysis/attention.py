# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from mmcv.cnn.bricks.transformer import FFN
from torch import Tensor

from mmfer.inference.model_runner import ModelRunner
from mmfer.models import APViT
from mmfer.visualization.attention import AttendedFace
from mmfer.visualization.pooling import PooledFace

from .attention_rollout import (
    READ_BY,
    attention_weights,
    join_heads,
    multiply_blocks,
    positions_at_blocks,
    rollout,
    rows_kept,
)
from .attribution import attribute, block_matrices, head_modules
from .pooling import check_tells_patches, pooled_faces

#: Names of the methods that compute a map.
METHODS = ('attribution', 'rollout')

#: Values of ``target`` other than class names.
PREDICTED, TRUE = 'predicted', 'true'


@contextmanager
def recorded_attention(backbone: APViT) -> Iterator[list[Tensor]]:
    """Collect the attention ``(B, H, T, T)`` of every block that runs inside the context.

    Blocks compute attention in different ways (all queries, some, fused). All of them attend to the
    output of their first normalization, so the attention is computed again from there.
    """
    weights = []
    with ExitStack() as hooks:
        for layer in backbone.layers:

            def record(_, __, y, attn=layer.attn):
                weights.append(attention_weights(attn, y))

            hooks.enter_context(layer.ln1.register_forward_hook(record))
        yield weights


@contextmanager
def recorded_tokens(backbone: APViT) -> Iterator[list[Tensor]]:
    """Collect the tokens ``(B, T, C)`` that enter the first block inside the context."""
    tokens = []
    with backbone.layers[0].register_forward_pre_hook(lambda _, args: tokens.append(args[0])):
        yield tokens


@torch.no_grad()
def attended_faces(
    runner: ModelRunner,
    batch: dict[str, Any],
    heads: str = 'mean',
    method: str = 'attribution',
    target: str = PREDICTED,
) -> list[AttendedFace]:
    """Predict a batch of faces and compute how much each patch contributes to the predictions.

    Args:
        runner (ModelRunner): A classifier whose backbone is an :class:`APViT` or a similar one, and
            whose head reads the [class] token or the average of the patches.
        batch (dict[str, Any]): See :meth:`.ModelRunner.predict`.
        heads (str): How attention heads are joined, ``'mean'`` (default) or ``'max'``.
        method (str): ``'attribution'`` (default), the evidence for one class (:mod:`.attribution`),
            or ``'rollout'``, the attention over all blocks, which is the same for all classes
            (:mod:`.attention_rollout`).
        target (str): The class to explain by attribution: ``'predicted'`` (default), ``'true'``, or
            a class name.

    Raises:
        TypeError: The backbone does not return which patches it keeps.
        ValueError: ``method``, ``heads`` or ``target`` is unknown, the head reads neither the
            [class] token nor the average, or relevance cannot be propagated through this model.
    """
    if method not in METHODS:
        raise ValueError(f'method must be one of {METHODS}, got {method!r}')
    if method == 'rollout' and target != PREDICTED:
        raise ValueError(f'rollout is the same for all classes; {target!r} needs attribution')
    check_tells_patches(runner)
    backbone = runner.model.backbone
    if backbone.out_type not in READ_BY:
        raise ValueError(
            f'maps are drawn for model.backbone.out_type in {tuple(READ_BY)}, '
            f'got {backbone.out_type!r}'
        )
    if method == 'attribution':
        _check_followed(runner)
    record = recorded_attention if method == 'rollout' else recorded_tokens
    with record(backbone) as recorded:
        faces = pooled_faces(runner, batch)
    left = {
        stage: torch.stack([torch.from_numpy(face.kept[stage]) for face in faces])
        for stage in faces[0].kept
    }
    grid = faces[0].grid
    patches = math.prod(grid)
    positions = positions_at_blocks(left, backbone.num_layers, patches, batch=len(faces))
    targets = [None] * len(faces)
    if method == 'rollout':
        joined = [join_heads(w.cpu(), heads) for w in recorded]
        relevance = READ_BY[backbone.out_type](rollout(joined, positions, patches))
    else:
        targets = [_target_class(runner, face, target) for face in faces]
        relevance = _attributed(runner, recorded[0], positions, faces, targets, heads)
    return [
        AttendedFace(
            **vars(face),
            relevance=relevance[row, 1:].view(grid).numpy(),
            first=positions[0][row].numpy(),
            last=positions[-2][row].numpy(),
            target=targets[row],
        )
        for row, face in enumerate(faces)
    ]


def _check_followed(runner: ModelRunner) -> None:
    model, remedy = runner.model, 'use method rollout'
    if model.with_neck:
        raise ValueError(
            f'relevance cannot be propagated through model.neck, a {type(model.neck).__name__}; '
            f'{remedy}'
        )
    for layer in model.backbone.layers:
        if not isinstance(layer.ffn, FFN):
            raise ValueError(
                f'relevance is propagated through two-layer MLPs, and model.backbone.layer_cfg '
                f'builds a {type(layer.ffn).__name__}; {remedy}'
            )
    head_modules(model.head)


def _target_class(runner: ModelRunner, face: PooledFace, target: str) -> str:
    if target == PREDICTED:
        return face.prediction
    if target == TRUE:
        if face.truth is None:
            raise ValueError(
                f'the true class of an image is unknown; set target to {PREDICTED!r} or one of '
                f'{tuple(runner.classes)}'
            )
        return face.truth
    if target not in runner.classes:
        raise ValueError(
            f'target must be {PREDICTED!r}, {TRUE!r} or one of {tuple(runner.classes)}, '
            f'got {target!r}'
        )
    return target


def _attributed(
    runner: ModelRunner,
    tokens: Tensor,
    positions: Sequence[Tensor],
    faces: Sequence[PooledFace],
    targets: Sequence[str],
    heads: str,
) -> Tensor:
    """Compute the attribution ``(B, 1 + N)`` to the [class] embedding and each patch."""
    model = runner.model
    # The rules divide numbers near 0; in single precision, maps differ by 0.01. Some devices have
    # no double precision, so this runs on the CPU.
    parts = (model.backbone.layers, model.backbone.ln1, head_modules(model.head))
    layers, norm, head = copy.deepcopy(parts)
    for part in (layers, norm, *head):
        part.cpu().double()
    found = attribute(
        layers,
        norm,
        head,
        tokens.cpu().double(),
        [rows_kept(*pair) for pair in itertools.pairwise(positions)],
        torch.tensor([runner.classes.index(name) for name in targets]),
        average=model.backbone.out_type == 'avg_featmap',
    )
    confidence = found.logits.softmax(-1).amax(-1).tolist()
    if any(abs(one - face.confidence) > 0.01 for one, face in zip(confidence, faces, strict=True)):
        raise ValueError(
            'the prediction of the model differs from that of its blocks and head run in sequence, '
            'so relevance cannot be propagated through it; use method rollout'
        )
    matrices = block_matrices(found, heads)
    product = multiply_blocks(matrices, positions, math.prod(faces[0].grid))
    return (found.read.unsqueeze(1) @ product).squeeze(1)
