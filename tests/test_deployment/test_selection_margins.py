# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.deployment.selection import OPEN_MARGIN, SelectionMargins
from mmfer.models.layers import AttentivePatchPooling
from mmfer.models.layers.attentive_pooling import top_indices


def test_the_margin_of_a_choice():
    scores = torch.tensor([[8.0, 1.0, 4.0, 2.0], [1.0, -10.0, 1.0, 1.0]])
    with SelectionMargins() as margins:
        kept = top_indices(scores, 2)
    assert torch.equal(kept[0], torch.tensor([0, 2]))
    # 4 above 2, of 8; a tie, of 10
    torch.testing.assert_close(margins.smallest(2), torch.tensor([0.25, 0.0]))


def test_the_smallest_of_several_choices_counts():
    clear, close = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[4.0, 3.9, 0.0]])
    with SelectionMargins() as margins:
        clear.topk(1)
        torch.topk(close, 1, dim=-1)
        close.topk(3)  # all are kept: nothing is chosen
    assert margins.smallest(1).item() == pytest.approx(0.1 / 4)


def test_nothing_is_chosen():
    with SelectionMargins() as margins:
        torch.zeros(3, 2).sum()
    assert margins.smallest(3).tolist() == [float('inf')] * 3


def test_equal_patches_are_an_open_choice():
    """Patches of a flat background; with other patches the model's choice is clear."""
    pool = AttentivePatchPooling(keep_num=3)
    flat = torch.ones(1, 6, 4)
    clear = flat * torch.arange(1, 7).view(1, 6, 1)
    with SelectionMargins() as margins:
        pooled = pool(torch.cat([flat, clear]))
    assert torch.equal(pooled[1, :, 0], torch.tensor([4.0, 5.0, 6.0]))
    assert (margins.smallest(2) < OPEN_MARGIN).tolist() == [True, False]
