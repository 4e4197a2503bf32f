# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

import torch
from torch import nn

from mmfer.models.utils.checkpointing import run_checkpointed


class Net(nn.Module):
    """A checkpointed part with BatchNorm, between normal parts."""

    def __init__(self):
        super().__init__()
        self.before, self.after = nn.Linear(4, 6), nn.Linear(6, 2)
        self.part = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU())

    def forward(self, x):
        return self.after(run_checkpointed(self.part, self.before(x)))


def test_a_compiled_net_learns_the_same():
    # The compiler does not support the code that stops BatchNorm from counting a batch twice.
    plain = Net()
    found = []
    for model in (plain, copy.deepcopy(plain)):
        run = torch.compile(model, backend='eager') if found else model
        x = torch.linspace(-1, 1, 20).view(5, 4)
        for _ in range(2):
            run(x).square().sum().backward()
        found.append(([p.grad for p in model.parameters()], model.state_dict()))
    (gradients, state), (compiled_gradients, compiled_state) = found
    torch.testing.assert_close(compiled_gradients, gradients)
    assert state['part.1.num_batches_tracked'] == 2
    torch.testing.assert_close(compiled_state, state)
