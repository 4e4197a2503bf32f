# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Face datasets and their transforms: public datasets, your own folders, drawn faces."""

from mmpretrain import datasets as _parent  # noqa: F401  registers the parent components

from mmfer.categories import ACTION_UNITS, EXPRESSIONS, EXPRESSIONS_8

from .affectnet import AffectNet
from .affectnet_hq import AffectNetHQ
from .affwild2 import AffWild2
from .cfp import CFP
from .class_balanced_dataset import ClassBalancedDataset
from .concat_dataset import ConcatDataset
from .custom_dataset import CustomDataset
from .expw import ExpW
from .face_crops import FaceCrops
from .face_dataset import FaceDataset
from .fer2013 import FER2013
from .ferplus import FERPlus
from .fully_balanced_dataset import FullyBalancedDataset
from .k_fold_dataset import KFoldDataset
from .named_split_dataset import NamedSplitDataset
from .rafdb import RAFDB
from .samplers import ClassBalancedSampler
from .sfew import SFEW
from .synthface import SynthFace
from .transforms import *  # noqa: F403
from .utkface import UTKFace
from .wflw import WFLW
from .worker_seed import seed_worker_from_torch

__all__ = [
    'ACTION_UNITS',
    'CFP',
    'EXPRESSIONS',
    'EXPRESSIONS_8',
    'FER2013',
    'RAFDB',
    'SFEW',
    'WFLW',
    'AffWild2',
    'AffectNet',
    'AffectNetHQ',
    'ClassBalancedDataset',
    'ClassBalancedSampler',
    'ConcatDataset',
    'CustomDataset',
    'ExpW',
    'FERPlus',
    'FaceCrops',
    'FaceDataset',
    'FullyBalancedDataset',
    'KFoldDataset',
    'NamedSplitDataset',
    'SynthFace',
    'UTKFace',
    'seed_worker_from_torch',
]
