# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor

from .partial_attention import attend_from_first


class EncoderLayer(TransformerEncoderLayer):
    """mmpretrain's encoder layer, which can compute its [class] token alone.

    It has the parameters of mmpretrain's layer and no more, so weights move freely between the two.
    """

    def forward(self, x: Tensor, class_only: bool = False) -> Tensor:
        """Map tokens ``(B, 1 + N, C)``, [class] first, to tokens of the same shape.

        Args:
            x (Tensor): Tokens ``(B, 1 + N, C)``.
            class_only (bool): Return the [class] token ``(B, 1, C)`` only. It is the same as the
                first token of the whole output, for a hundredth of the work: for the last layer of
                a net whose head reads nothing else. Defaults to False.
        """
        if not class_only:
            return super().forward(x)
        x = x[:, :1] + attend_from_first(self.attn, self.ln1(x))
        return self.ffn(self.ln2(x), identity=x)
