# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Necks, between backbone and head: the KT-Adapter."""

from .kt_adapter import KTAdapter

__all__ = ['KTAdapter']
