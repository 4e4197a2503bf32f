# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Save and restore the state of all random generators that a training process uses."""

import random

import numpy as np
import torch


def get_random_state() -> dict:
    """Return the state of this process' random generators, as tensors and plain numbers.

    It includes Python's, numpy's global one, and torch's on the CPU and on the current CUDA device
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
    """Restore a state from :func:`get_random_state`; its tensors may be on any device."""
    version, words, gauss = state['python']
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, position, has_gauss, cached = state['numpy']
    keys = keys.cpu().numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())
