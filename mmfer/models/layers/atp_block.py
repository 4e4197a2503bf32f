# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
import torch.nn.functional as F
from torch import Tensor

from mmfer.registry import MODELS

from .attentive_pooling import (
    CLASS_CRITERIA,
    class_attention_scores,
    keep_count,
    take_tokens,
    top_indices,
)
from .encoder_layer import EncoderLayer
from .partial_attention import attend, project_key_value, project_query


def check_keep_rate(keep_rate: float) -> None:
    """Check that ``keep_rate`` is a number in (0, 1].

    Raises:
        TypeError: ``keep_rate`` is not a number.
        ValueError: ``keep_rate`` is not in (0, 1].
    """
    if isinstance(keep_rate, bool) or not isinstance(keep_rate, (int, float)):
        raise TypeError(f'atp.keep_rate must be a number, got {keep_rate!r}')
    if not 0 < keep_rate <= 1:
        raise ValueError(f'atp.keep_rate must be in (0, 1], got {keep_rate}')


@MODELS.register_module()
class ATPBlock(EncoderLayer):
    """Transformer block that drops the tokens with the least [class] attention (Section 3.3).

    It has exactly the parameters of mmpretrain's ``TransformerEncoderLayer``, so weights are
    interchangeable. With ``keep_rate=1`` both compute the same.

    In the paper, attention and its residual are computed for all tokens; then
    ``max(int(N * keep_rate), 1)`` patch tokens are selected; then the MLP is computed for those.
    The [class] token is always kept, as the first token. Dropped tokens still serve as keys and
    values, but their outputs are never used. So this block selects tokens first, and computes
    queries, output projection and MLP for kept tokens only. The result is the same, for less work.
    The published GFLOPs count the full computation, see
    :func:`mmfer.analysis.flops.published_block_flops`.

    Args:
        embed_dims (int): Channels ``C`` of a token.
        num_heads (int): Attention heads, a divisor of ``embed_dims``.
        feedforward_channels (int): Hidden width of the MLP.
        keep_rate (float): ``r`` in (0, 1], the share of patch tokens kept. Defaults to 1.
        criterion (str): How the query-key products of the heads are combined to a score: ``'sum'``
            (default), ``'abs'``, ``'max'`` or ``'random'``. See :func:`.class_attention_scores`.
        **kwargs: Further arguments of :class:`EncoderLayer`.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        keep_rate: float = 1.0,
        criterion: str = 'sum',
        **kwargs,
    ):
        super().__init__(embed_dims, num_heads, feedforward_channels, **kwargs)
        check_keep_rate(keep_rate)
        if criterion not in CLASS_CRITERIA:
            raise ValueError(f'atp.criterion must be one of {CLASS_CRITERIA}, got {criterion!r}')
        self.keep_rate = keep_rate
        self.criterion = criterion

    def forward(
        self, x: Tensor, class_only: bool = False, return_indices: bool = False
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """Map tokens ``(B, 1 + N, C)``, [class] first, to the kept tokens ``(B, 1 + keep, C)``.

        Without ``return_indices`` it returns a tensor, like mmpretrain's layer, so wrappers and
        hooks for encoder layers also work here.

        Args:
            x (Tensor): Tokens ``(B, 1 + N, C)``.
            class_only (bool): Return the [class] token ``(B, 1, C)`` only, see
                :class:`EncoderLayer`. Defaults to False.
            return_indices (bool): Return the indices as well. Defaults to False.

        Returns:
            Tensor | tuple: The tokens; with ``return_indices`` a tuple of the tokens and the
            indices ``(B, 1 + keep)`` of the kept input tokens, ascending, 0 = [class]. The indices
            are None if all tokens are kept.
        """
        num_patches = x.shape[1] - 1
        keep_num = keep_count(num_patches, self.keep_rate)
        if keep_num == num_patches or (class_only and not return_indices):
            x, kept = super().forward(x, class_only), None
        else:
            x, kept = self._pool(x, keep_num, class_only)
        return (x, kept) if return_indices else x

    def _pool(self, x: Tensor, keep_num: int, class_only: bool) -> tuple[Tensor, Tensor]:
        """Select tokens, and compute the block for them or for the [class] token only."""
        y = self.ln1(x)
        key, value = project_key_value(self.attn, y)
        kept = self._select(y[:, 0], key, keep_num)
        rows = kept[:, :1] if class_only else kept
        query = project_query(self.attn, take_tokens(y, rows))
        x = take_tokens(x, rows) + attend(self.attn, query, key, value)
        return self.ffn(self.ln2(x), identity=x), kept

    @torch.no_grad()  # the selection has no gradient
    def _select(self, y: Tensor, key: Tensor, keep_num: int) -> Tensor:
        """Return the indices ``(B, 1 + keep_num)`` of the [class] token and the best patches.

        ``y`` is the normalized [class] token ``(B, C)``, ``key`` the keys of all tokens
        ``(B, 1 + N, C)``.
        """
        heads = (self.attn.num_heads, self.attn.head_dims)
        query = project_query(self.attn, y).unflatten(-1, heads)
        scores = class_attention_scores(query, key[:, 1:].unflatten(-1, heads), self.criterion)
        return F.pad(top_indices(scores, keep_num) + 1, (1, 0))

    def extra_repr(self) -> str:
        return f'keep_rate={self.keep_rate}, criterion={self.criterion!r}'
