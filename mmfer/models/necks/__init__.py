# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .kt_adapter import KTAdapter

__all__ = ['KTAdapter']
