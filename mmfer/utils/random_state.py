# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Take and put back the state of every random generator a training process draws from."""

import random

import numpy as np
import torch


def get_random_state() -> dict:
    """State of this process' generators, as tensors and plain numbers.

    Covers Python, numpy's global generator, torch on the CPU and torch on the current CUDA device
    (MMEngine uses one device per process).
    """
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002  transforms draw from it
    state = {
        'python': (version, torch.tensor(words, dtype=torch.int64), gauss),
        'numpy': (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached),
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict) -> None:
    """Put back what :func:`get_random_state` returned, wherever its tensors have been moved to."""
    version, words, gauss = state['python']
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, position, has_gauss, cached = state['numpy']
    keys = keys.cpu().numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())
