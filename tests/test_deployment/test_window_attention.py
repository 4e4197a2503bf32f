# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from mmpretrain.models.utils import ShiftWindowMSA

from mmfer.deployment.window_attention import TraceableWindowAttention, replace_window_attention
from mmfer.registry import MODELS


@pytest.mark.parametrize('shift', [0, 2])
@pytest.mark.parametrize('grid', [(8, 8), (6, 10), (3, 2)])
def test_it_is_the_attention_it_replaces(shift, grid):
    """Bit for bit, also where the map is padded to whole windows."""
    given = ShiftWindowMSA(8, 2, window_size=4, shift_size=shift, pad_small_map=True).eval()
    torch.nn.init.normal_(given.w_msa.relative_position_bias_table)
    traceable = TraceableWindowAttention(given).eval()
    for batch in (1, 3):
        x = torch.randn(batch, grid[0] * grid[1], 8)
        assert torch.equal(traceable(x, grid), given(x, grid))


def test_every_attention_of_a_swin_is_replaced():
    arch = dict(embed_dims=8, depths=[2, 1], num_heads=[1, 2])
    swin = MODELS.build(
        dict(type='SwinTransformer', arch=arch, img_size=32, window_size=4, out_indices=(1,))
    )
    swin.eval()  # by itself: it returns nothing
    copied = copy.deepcopy(swin)
    assert replace_window_attention(copied) == 3
    assert replace_window_attention(copied) == 0
    assert not any(isinstance(part, TraceableWindowAttention) for part in swin.modules())
    assert copied.state_dict().keys() == swin.state_dict().keys()
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(copied(x)[0], swin(x)[0])
    assert not any(part.training for part in copied.modules())
