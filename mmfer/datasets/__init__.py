# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain import datasets as _parent  # noqa: F401  registers the parent components

from .categories import EXPRESSIONS
from .face_dataset import FaceDataset
from .rafdb import RAFDB
from .synthface import SynthFace
from .transforms import *  # noqa: F403
from .worker_seed import seed_worker_from_torch

__all__ = ['EXPRESSIONS', 'RAFDB', 'FaceDataset', 'SynthFace', 'seed_worker_from_torch']
