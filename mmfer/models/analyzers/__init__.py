# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Encoder, frozen priors, adapter and head in one model, and tokens that are computed once."""

from .face_analyzer import FaceAnalyzer
from .prior_encoders import PriorEncoders
from .prior_token_cache import PriorTokenCache, PriorTokenCacheError

__all__ = ['FaceAnalyzer', 'PriorEncoders', 'PriorTokenCache', 'PriorTokenCacheError']
