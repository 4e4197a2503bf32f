# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
import random

import numpy as np
import torch
from mmengine.dist import get_rank

from mmfer.registry import FUNCTIONS


@FUNCTIONS.register_module()
def seed_worker_from_torch(worker_id: int) -> None:
    """Seed a data loader worker so that augmentation differs between epochs, yet is reproducible.

    PyTorch draws a new base seed from the main process's generator whenever it starts workers, and
    seeds each worker with the base seed plus its id. mmengine's default replaces this with a seed
    that is the same in every epoch, so restarted workers repeat the augmentation of the first
    epoch.

    Here ``random``, ``numpy.random`` (both used by mmcv's transforms) and ``torch`` follow
    PyTorch's seed. Epochs differ because the base seed does, and a run that is resumed with the
    main process's random state gets the same workers as the interrupted run. This requires
    ``persistent_workers=False``, because the random state of persistent workers is not saved.

    The processes of a distributed run may have the same main seed, so the rank is mixed in.

    Args:
        worker_id (int): Passed by the data loader; PyTorch has already added it to its seed.
    """
    # A spawned worker has no process group, but the environment variables of the launcher.
    rank = get_rank() or int(os.environ.get('RANK', 0))
    # A seed sequence keeps (seed, rank) pairs apart; with a sum, adjacent pairs would collide.
    seeds = np.random.SeedSequence([torch.initial_seed(), rank]).generate_state(3)
    random.seed(int(seeds[0]))
    np.random.seed(seeds[1])  # noqa: NPY002  mmcv's transforms use this generator
    torch.manual_seed(int(seeds[2]))
