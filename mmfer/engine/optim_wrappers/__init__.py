# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Mixed precision on CPUs."""

from .bfloat16_optim_wrapper import BFloat16OptimWrapper

__all__ = ['BFloat16OptimWrapper']
