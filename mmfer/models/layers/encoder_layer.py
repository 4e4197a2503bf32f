# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from functools import partial

from mmengine.model import BaseModule
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor

from .dot_product_attention import dot_product_attention
from .partial_attention import attend_from_first


class EncoderLayer(TransformerEncoderLayer):
    """mmpretrain's encoder layer, which can also compute the [class] token only.

    It has exactly the parameters of mmpretrain's layer, so weights are interchangeable.

    Args:
        *args: Arguments of ``TransformerEncoderLayer``.
        qk_scale (float, optional): Scale of the query-key products, > 0. Defaults to
            ``head_dims ** -0.5``.
        init_cfg (dict, optional): Initialization. Defaults to that of the released APViT, which is
            not mmpretrain's: linear layers with normal weights of std 0.02 (truncated at +-2, that
            is 100 std) and zero biases.
        **kwargs: Further arguments of ``TransformerEncoderLayer``.

    Raises:
        ValueError: ``qk_scale`` is not positive.
    """

    INIT_CFG = dict(type='TruncNormal', layer='Linear', std=0.02, a=-2.0, b=2.0, bias=0.0)

    def __init__(
        self, *args, qk_scale: float | None = None, init_cfg: dict | None = None, **kwargs
    ):
        super().__init__(*args, init_cfg=self.INIT_CFG if init_cfg is None else init_cfg, **kwargs)
        if qk_scale is not None:
            if not qk_scale > 0:
                raise ValueError(f'qk_scale must be > 0, got {qk_scale}')
            # mmpretrain ignores the value of its own qk_scale argument.
            self.attn.qk_scale = qk_scale
        self.attn.scaled_dot_product_attention = partial(dot_product_attention, scale=qk_scale)

    def init_weights(self) -> None:
        """Initialize by ``init_cfg`` only, without the extra steps of mmpretrain's layer."""
        BaseModule.init_weights(self)

    def forward(self, x: Tensor, class_only: bool = False) -> Tensor:
        """Map tokens ``(B, 1 + N, C)``, [class] first, to tokens of the same shape.

        Args:
            x (Tensor): Tokens ``(B, 1 + N, C)``.
            class_only (bool): Return the [class] token ``(B, 1, C)`` only, for the last layer of a
                net whose head uses only this token. Up to rounding, it equals the first token of
                the full output, for about 1 / N of the cost. Defaults to False.
        """
        if not class_only:
            return super().forward(x)
        x = x[:, :1] + attend_from_first(self.attn, self.ln1(x))
        return self.ffn(self.ln2(x), identity=x)
