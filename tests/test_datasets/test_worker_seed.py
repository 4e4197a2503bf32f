# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random

import numpy as np
import torch
from mmengine.runner import Runner
from torch.utils.data import Dataset

from mmfer.datasets import seed_worker_from_torch
from mmfer.registry import DATASETS, FUNCTIONS


class Dice(Dataset):
    """Samples are random numbers of the three generators that augmentation may use."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return dict(
            inputs=(random.random(), np.random.random(), torch.rand(()).item()),
        )


def build_loader(**kwargs):
    config = dict(
        dataset=Dice(),
        batch_size=1,
        num_workers=2,
        sampler=dict(type='DefaultSampler', shuffle=False),
        persistent_workers=False,
        **kwargs,
    )
    return Runner.build_dataloader(config, seed=0)


def epoch(loader):
    return [tuple(float(value) for value in batch['inputs'][0]) for batch in loader]


OURS = dict(worker_init_fn=dict(type='mmfer.seed_worker_from_torch'))


def test_epochs_differ_in_every_generator():
    loader = build_loader(**OURS)
    first, second = np.array(epoch(loader)), np.array(epoch(loader))
    assert (first != second).all()
    assert (np.sort(first, axis=0)[1:] != np.sort(first, axis=0)[:-1]).all(), 'workers differ too'


def test_mmengine_alone_would_repeat_the_first_epoch():
    # The reason for the function: if this fails, the configs no longer need it.
    loader = build_loader()
    assert epoch(loader) == epoch(loader)


def test_restoring_the_state_of_torch_restores_the_epoch():
    loader = build_loader(**OURS)
    epoch(loader)
    state = torch.get_rng_state()
    second = epoch(loader)
    resumed = build_loader(**OURS)
    torch.set_rng_state(state)
    random.seed(99)  # the main process' other generators have no part in it
    np.random.seed(99)
    assert epoch(resumed) == second


def test_ranks_differ(monkeypatch):
    drawn = []
    for rank in (0, 1):
        monkeypatch.setattr('mmfer.datasets.worker_seed.get_rank', lambda rank=rank: rank)
        torch.manual_seed(5)
        seed_worker_from_torch(0)
        drawn.append((random.random(), np.random.random(), torch.rand(()).item()))
    assert all(a != b for a, b in zip(*drawn, strict=True))


def test_ranks_differ_in_spawned_workers(monkeypatch):
    # They have no process group, but the launcher's environment variables.
    drawn = []
    for rank in '01':
        monkeypatch.setenv('RANK', rank)
        torch.manual_seed(5)
        seed_worker_from_torch(0)
        drawn.append((random.random(), np.random.random(), torch.rand(()).item()))
    assert all(a != b for a, b in zip(*drawn, strict=True))


def test_is_found_by_the_name_in_the_configs():
    assert FUNCTIONS.get('seed_worker_from_torch') is seed_worker_from_torch
    assert DATASETS.get('RAFDB') is not None
