# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
import torch.nn.functional as F
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor

from mmfer.registry import MODELS

from .attentive_pooling import (
    CLASS_CRITERIA,
    class_attention_scores,
    keep_count,
    take_tokens,
    top_indices,
)
from .partial_attention import attend, project_key_value, project_query


@MODELS.register_module()
class ATPBlock(TransformerEncoderLayer):
    """A transformer block that drops the tokens its [class] token does not attend to (Sec. 3.3).

    It has the parameters of mmpretrain's ``TransformerEncoderLayer`` and no more, so weights move
    freely between the two, and with ``keep_rate=1`` it is that layer.

    Within the block: attention and its residual over all tokens, then the choice of
    ``max(int(N * keep_rate), 1)`` patch tokens, then the MLP on those. The [class] token always
    stays, first. Tokens that are dropped were still attended to as keys and values, but nothing
    reads their outputs. ``computation='lean'`` therefore takes queries, output projection and MLP
    for the kept tokens only; it is the same function as ``'paper'``, which computes attention for
    all of them as the paper's cost table (15.30 to 5.89 GFLOPs) counts it.

    Args:
        embed_dims (int): Channels ``C`` of a token.
        num_heads (int): Attention heads, a divisor of ``embed_dims``.
        feedforward_channels (int): Hidden width of the MLP.
        keep_rate (float): ``r`` in (0, 1], the share of patch tokens kept. Defaults to 1.
        criterion (str): How the heads' products are joined to a score: ``'sum'`` (default),
            ``'abs'`` or ``'max'``.
        computation (str): ``'lean'`` (default) or ``'paper'``.
        **kwargs: Further arguments of ``TransformerEncoderLayer``.
    """

    COMPUTATIONS = ('lean', 'paper')

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        keep_rate: float = 1.0,
        criterion: str = 'sum',
        computation: str = 'lean',
        **kwargs,
    ):
        super().__init__(embed_dims, num_heads, feedforward_channels, **kwargs)
        if isinstance(keep_rate, bool) or not isinstance(keep_rate, (int, float)):
            raise TypeError(f'atp.keep_rate must be a number, got {keep_rate!r}')
        if not 0 < keep_rate <= 1:
            raise ValueError(f'atp.keep_rate must be in (0, 1], got {keep_rate}')
        if criterion not in CLASS_CRITERIA:
            raise ValueError(f'atp.criterion must be one of {CLASS_CRITERIA}, got {criterion!r}')
        if computation not in self.COMPUTATIONS:
            raise ValueError(
                f'atp.computation must be one of {self.COMPUTATIONS}, got {computation!r}'
            )
        self.keep_rate = keep_rate
        self.criterion = criterion
        self.computation = computation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 1 + N, C)`` to ``(B, 1 + keep, C)``; the [class] token is the first."""
        return self.forward_with_indices(x)[0]

    def forward_with_indices(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """As :meth:`forward`, and say which tokens stayed.

        Returns:
            tuple: Tokens ``(B, 1 + keep, C)``, and the indices ``(B, 1 + keep)`` of the block's
            input tokens that they come from, ascending, 0 = [class]; None where all stayed.
        """
        num_patches = x.shape[1] - 1
        keep_num = keep_count(num_patches, self.keep_rate)
        if keep_num == num_patches:
            return super().forward(x), None
        attend = self._attend_lean if self.computation == 'lean' else self._attend_all
        x, kept = attend(x, keep_num)
        return self.ffn(self.ln2(x), identity=x), kept

    def _choose(self, query: Tensor, key: Tensor, keep_num: int) -> Tensor:
        """Indices ``(B, 1 + keep_num)`` of [class] and the best patches.

        Takes the [class] query ``(B, C)`` and the keys of all tokens ``(B, 1 + N, C)``.
        """
        heads = (self.attn.num_heads, self.attn.head_dims)
        with torch.no_grad():  # which tokens are kept has no gradient
            scores = class_attention_scores(
                query.unflatten(-1, heads), key[:, 1:].unflatten(-1, heads), self.criterion
            )
            return F.pad(top_indices(scores, keep_num) + 1, (1, 0))

    def _attend_all(self, x: Tensor, keep_num: int) -> tuple[Tensor, Tensor]:
        """Attention over all tokens, then the choice: the paper's order of computing."""
        query, key, value = self.attn.qkv(self.ln1(x)).chunk(3, dim=-1)
        kept = self._choose(query[:, 0], key, keep_num)
        return take_tokens(x + attend(self.attn, query, key, value), kept), kept

    def _attend_lean(self, x: Tensor, keep_num: int) -> tuple[Tensor, Tensor]:
        """The choice first, then attention with the kept tokens as the only queries."""
        y = self.ln1(x)
        key, value = project_key_value(self.attn, y)
        with torch.no_grad():
            class_query = project_query(self.attn, y[:, 0])
        kept = self._choose(class_query, key, keep_num)
        query = project_query(self.attn, take_tokens(y, kept))
        return take_tokens(x, kept) + attend(self.attn, query, key, value), kept

    def extra_repr(self) -> str:
        return (
            f'keep_rate={self.keep_rate}, criterion={self.criterion!r}, '
            f'computation={self.computation!r}'
        )
