# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain import datasets as _parent  # noqa: F401  registers the parent components

from .affectnet_hq import AffectNetHQ
from .categories import EXPRESSIONS
from .cfp import CFP
from .face_crops import FaceCrops
from .face_dataset import FaceDataset
from .named_split_dataset import NamedSplitDataset
from .rafdb import RAFDB
from .synthface import SynthFace
from .transforms import *  # noqa: F403
from .utkface import UTKFace
from .wflw import WFLW
from .worker_seed import seed_worker_from_torch

__all__ = [
    'CFP',
    'EXPRESSIONS',
    'RAFDB',
    'WFLW',
    'AffectNetHQ',
    'FaceCrops',
    'FaceDataset',
    'NamedSplitDataset',
    'SynthFace',
    'UTKFace',
    'seed_worker_from_torch',
]
