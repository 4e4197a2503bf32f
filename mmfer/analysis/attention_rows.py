# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable, Sequence

from mmfer.models.pooling_settings import PoolingSettings, keep_all, use_pooling
from mmfer.visualization.attention import AttentionRow

from .attention import AttentionInspector

# The paper's k in its Figure 7, and its number of patches.
_KEEP_NUMS, _PATCHES = (160, 120, 80), 196


class AttentionRows:
    """Inspects the faces of the paper's Figure 7: what is kept, and attention before and after.

    Args:
        after (AttentionInspector): The model with pooling.
        before (AttentionInspector, optional): A model to compare it with on the same pictures. By
            default (None) it is the same model while nothing is pooled, or nothing where it does
            not pool.
        keep_nums (Sequence[int], optional): Numbers of patches ``k`` to show patch pooling at;
            attention is that of the model's own ``k``. By default (None) the paper's 160, 120 and
            80 of 196, scaled to the model's grid, or none where it has no hard patch pooling.

    Raises:
        ValueError: ``keep_nums`` are given and the model has no hard patch pooling, or they are not
            in 1..N.
    """

    def __init__(
        self,
        after: AttentionInspector,
        before: AttentionInspector | None = None,
        keep_nums: Sequence[int] | None = None,
    ):
        backbone = after.model.backbone
        patches = backbone.num_patches
        can_pool = backbone.app is not None and backbone.app.mode == 'hard'
        if keep_nums is None:
            scaled = [max(1, round(k * patches / _PATCHES)) for k in _KEEP_NUMS]
            keep_nums = scaled if can_pool else []
        elif keep_nums and not can_pool:
            raise ValueError(
                f'keep_nums={list(keep_nums)} need a model with patch pooling '
                "(model.backbone.app with mode='hard')"
            )
        wrong = [k for k in keep_nums if not 1 <= k <= patches]
        if wrong:
            raise ValueError(
                f'keep_nums must be in 1..{patches}, the patches there are, got {wrong}'
            )
        self.after = after
        self.before = before
        self.keep_nums = tuple(keep_nums)

    def inspect_test_set(self, num: int) -> list[AttentionRow]:
        """Rows for ``num`` faces spread evenly over the test set of the model with pooling."""
        return [self.inspect(sample) for sample in self.after.test_samples(num)]

    def inspect_files(self, paths: Iterable[str]) -> list[AttentionRow]:
        """Rows for pictures of aligned faces.

        Raises:
            UnreadableImageError: A file cannot be read as a picture.
        """
        return [self.inspect(self.after.read_file(path)) for path in paths]

    def inspect(self, packed: dict) -> AttentionRow:
        """The row of one packed sample."""
        backbone = self.after.model.backbone
        after = self.after.inspect(packed)
        kept = {}
        for k in self.keep_nums:
            with use_pooling(backbone, PoolingSettings(keep_num=k)):
                kept[k] = self.after.inspect(packed).first
        before = None
        if self.before is not None:
            before = self.before.inspect(packed)
        elif any(len(positions) < backbone.num_patches for positions in after.kept.values()):
            with use_pooling(backbone, keep_all(backbone)):
                before = self.after.inspect(packed)
        return AttentionRow(kept, before, after)
