# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Hooks: checks of data, weights and losses; checkpoints and resuming; pooling decay; drawings."""

from .channels_last_hook import ChannelsLastHook
from .class_names_hook import ClassNamesHook
from .confusion_matrix_hook import ConfusionMatrixHook
from .non_finite_loss_hook import NonFiniteLossHook
from .plain_checkpoint_hook import PlainCheckpointHook
from .pooling_decay_hook import PoolingDecayHook
from .prior_token_cache_hook import PriorTokenCacheHook
from .random_state_hook import RandomStateHook
from .resume_hook import ResumeHook
from .safe_checkpoint_hook import SafeCheckpointHook
from .visualization_hook import VisualizationHook
from .weights_match_hook import WeightsMatchHook

__all__ = [
    'ChannelsLastHook',
    'ClassNamesHook',
    'ConfusionMatrixHook',
    'NonFiniteLossHook',
    'PlainCheckpointHook',
    'PoolingDecayHook',
    'PriorTokenCacheHook',
    'RandomStateHook',
    'ResumeHook',
    'SafeCheckpointHook',
    'VisualizationHook',
    'WeightsMatchHook',
]
