# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The one place that states the version of mmfer."""

__version__ = '0.1.0'
