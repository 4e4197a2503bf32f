# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The version of mmfer, defined only here."""

__version__ = '0.1.0'
