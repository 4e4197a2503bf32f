# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Facial expression recognition and facial analysis for OpenMMLab."""

from .compatibility import check_packages
from .version import __version__

check_packages()

__all__ = ['__version__']
