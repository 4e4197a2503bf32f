# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain import models as _parent  # noqa: F401  registers the parent components

from mmfer.checkpoint.safe_load import register_safe_loaders

from .analyzers import *  # noqa: F403
from .backbones import *  # noqa: F403
from .heads import *  # noqa: F403
from .layers import *  # noqa: F403
from .losses import *  # noqa: F403
from .necks import *  # noqa: F403
from .pretrained_init import PretrainedInit  # noqa: F401
from .tta import *  # noqa: F403
from .utils import *  # noqa: F403

# Models also load weights (init_cfg) without the engine; that must be safe too.
register_safe_loaders()
