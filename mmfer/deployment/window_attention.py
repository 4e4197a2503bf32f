# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain.models.utils import ShiftWindowMSA
from torch import Tensor, nn


class TraceableWindowAttention(ShiftWindowMSA):
    """Swin's attention, for exporters.

    mmpretrain computes the batch size from the number of windows, with a division and ``int()``.
    To an exporter that is a constant, and the graph, which accepts any batch, mixes up windows of
    different pictures for all but the one it was traced with. Here no batch size is needed.

    Args:
        given: Whose parts are used, not copied.
    """

    def __init__(self, given: ShiftWindowMSA):
        super().__init__(
            given.w_msa.embed_dims,
            given.w_msa.num_heads,
            given.window_size,
            given.shift_size,
            pad_small_map=given.pad_small_map,
        )
        self.w_msa = given.w_msa
        self.drop = given.drop

    @staticmethod
    def window_reverse(windows: Tensor, H: int, W: int, window_size: int) -> Tensor:
        """Put windows ``(B * n, S, S, C)`` together to maps ``(B, H, W, C)``."""
        rows, columns, channels = H // window_size, W // window_size, windows.shape[-1]
        x = windows.view(-1, rows, columns, window_size, window_size, channels)
        return x.transpose(2, 3).reshape(-1, H, W, channels)


def replace_window_attention(model: nn.Module) -> int:
    """Replace every window attention in a model, in place; the weights stay the same tensors.

    Returns:
        How many there were.
    """
    places = [
        (parent, name, part)
        for parent in model.modules()
        for name, part in parent.named_children()
        if type(part) is ShiftWindowMSA
    ]
    for parent, name, part in places:
        setattr(parent, name, TraceableWindowAttention(part).train(part.training))
    return len(places)
