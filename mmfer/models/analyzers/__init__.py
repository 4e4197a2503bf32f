# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The model of KT-Adapter: encoder, frozen priors, adapter and head; and cached prior tokens."""

from .face_analyzer import FaceAnalyzer
from .prior_encoders import PriorEncoders
from .prior_token_cache import PriorTokenCache, PriorTokenCacheError

__all__ = ['FaceAnalyzer', 'PriorEncoders', 'PriorTokenCache', 'PriorTokenCacheError']
