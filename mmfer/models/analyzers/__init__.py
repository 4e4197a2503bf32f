# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .face_analyzer import FaceAnalyzer
from .prior_encoders import PriorEncoders
from .prior_token_cache import PriorTokenCache, PriorTokenCacheError

__all__ = ['FaceAnalyzer', 'PriorEncoders', 'PriorTokenCache', 'PriorTokenCacheError']
