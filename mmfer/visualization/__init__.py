# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw all figures, from plain values."""

from mmpretrain import visualization as _parent  # noqa: F401  registers the parent components
