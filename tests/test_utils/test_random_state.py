# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random

import numpy as np
import torch

from mmfer.utils.random_state import get_random_state, set_random_state


def draw():
    normal = random.gauss(0, 1), np.random.standard_normal()
    return (*normal, torch.rand(1).item(), torch.randn(3).tolist())


def test_the_same_numbers_are_drawn_again(tmp_path):
    draw()  # keeps one of a pair of normal numbers in Python's and numpy's generators
    torch.save(get_random_state(), tmp_path / 'state.pt')
    expected = [draw() for _ in range(3)]
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    assert draw() != expected[0]
    set_random_state(torch.load(tmp_path / 'state.pt', weights_only=True))
    assert [draw() for _ in range(3)] == expected
