# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.models import APViT
from mmfer.visualization.attention import AttendedFace

from .attention_rollout import (
    HEADS,
    READ_BY,
    attention_weights,
    join_heads,
    positions_at_blocks,
    rollout,
)
from .pooling import PoolingInspector


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


class AttentionInspector(PoolingInspector):
    """Runs a classifier on faces and finds which patches its prediction is made of.

    Args:
        model (ImageClassifier): In eval mode; its backbone is an :class:`APViT` or one of its kind,
            and the head reads the [class] token or the average of the patches.
        cfg (Config): The whole config; its ``test_dataloader`` says how pictures are prepared.
        classes (Iterable[str]): Class names in the order of the model's outputs.
        heads (str): How attention heads are joined, ``'mean'`` (default) or ``'max'``.

    Raises:
        TypeError: The backbone is another one.
        ValueError: The head reads something else, or ``heads`` is unknown.
    """

    def __init__(
        self, model: ImageClassifier, cfg: Config, classes: Iterable[str], heads: str = 'mean'
    ):
        super().__init__(model, cfg, classes)
        out_type = model.backbone.out_type
        if out_type not in READ_BY:
            raise ValueError(
                f'attention is rolled out for model.backbone.out_type in {tuple(READ_BY)}, '
                f'got {out_type!r}'
            )
        if heads not in HEADS:
            raise ValueError(f'heads must be one of {HEADS}, got {heads!r}')
        self.heads = heads

    @torch.no_grad()
    def inspect(self, packed: dict) -> AttendedFace:
        """Inspect one packed sample.

        Raises:
            ValueError: The picture has another size than this model's.
        """
        backbone = self.model.backbone
        size = tuple(packed['inputs'].shape[1:])
        if size != tuple(backbone.img_size):
            raise ValueError(
                f'a picture of {size[0]}x{size[1]} pixels for {self.cfg.filename}, whose '
                f'model.backbone.img_size is {backbone.img_size}; only models of one picture size '
                'can be compared'
            )
        with recorded_attention(backbone) as weights:
            face = super().inspect(packed)
        weights = [join_heads(w.cpu(), self.heads) for w in weights]
        left = {stage: torch.from_numpy(kept)[None] for stage, kept in face.kept.items()}
        positions = positions_at_blocks(left, len(weights), backbone.num_patches, batch=1)
        relevance = READ_BY[backbone.out_type](rollout(weights, positions, backbone.num_patches))
        return AttendedFace(
            **vars(face),
            relevance=relevance[0, 1:].view(backbone.grid).numpy(),
            first=positions[0][0].numpy(),
            last=positions[-2][0].numpy(),
        )
