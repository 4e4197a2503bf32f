# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .bfloat16_optim_wrapper import BFloat16OptimWrapper  # noqa: F401
