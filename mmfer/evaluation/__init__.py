# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain import evaluation as _parent  # noqa: F401  registers the parent components

from .metrics import *  # noqa: F403
