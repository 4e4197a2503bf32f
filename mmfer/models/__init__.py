# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain import models as _parent  # noqa: F401  registers the parent components

from .backbones import *  # noqa: F403
from .layers import *  # noqa: F403
from .pretrained_init import PretrainedInit  # noqa: F401
from .utils import *  # noqa: F403
