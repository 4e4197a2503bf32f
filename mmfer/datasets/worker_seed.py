# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
import random

import numpy as np
import torch
from mmengine.dist import get_rank

from mmfer.registry import FUNCTIONS


@FUNCTIONS.register_module()
def seed_worker_from_torch(worker_id: int) -> None:
    """Seed a data loader's worker so that every epoch is augmented differently, yet repeatably.

    PyTorch draws a fresh base seed from the main process' generator whenever it starts workers and
    seeds each of them with that plus its id. mmengine's default overrules this with a seed that is
    the same in every epoch: workers that are started anew repeat the augmentation of the first.

    Here ``random``, ``numpy.random`` (both of which mmcv's transforms use) and ``torch`` follow
    PyTorch's seed. Epochs differ because the base seed does, and a run that is resumed with the
    main process' random state gets the workers of the run that was interrupted. That needs
    ``persistent_workers=False``, since workers that live on have a state of their own which nobody
    saves.

    The processes of a distributed run may share the main seed, hence the rank is mixed in.

    Args:
        worker_id (int): Given by the data loader; PyTorch has already added it to its seed.
    """
    # A spawned worker is in no process group, but has the environment that the launcher set.
    rank = get_rank() or int(os.environ.get('RANK', 0))
    # Sequences keep (seed, rank) pairs apart where a sum would let neighbors collide.
    seeds = np.random.SeedSequence([torch.initial_seed(), rank]).generate_state(3)
    random.seed(int(seeds[0]))
    np.random.seed(seeds[1])  # noqa: NPY002  the generator that mmcv's transforms use
    torch.manual_seed(int(seeds[2]))
