# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain import engine as _parent  # noqa: F401  registers the parent components

from .hooks import *  # noqa: F403
from .optim_wrappers import *  # noqa: F403
