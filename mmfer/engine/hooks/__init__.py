# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .channels_last_hook import ChannelsLastHook  # noqa: F401
from .class_names_hook import ClassNamesHook  # noqa: F401
from .confusion_matrix_hook import ConfusionMatrixHook  # noqa: F401
from .non_finite_loss_hook import NonFiniteLossHook  # noqa: F401
from .plain_checkpoint_hook import PlainCheckpointHook  # noqa: F401
from .pooling_decay_hook import PoolingDecayHook  # noqa: F401
from .prior_token_cache_hook import PriorTokenCacheHook  # noqa: F401
from .random_state_hook import RandomStateHook  # noqa: F401
from .resume_hook import ResumeHook  # noqa: F401
from .safe_checkpoint_hook import SafeCheckpointHook  # noqa: F401
from .visualization_hook import VisualizationHook  # noqa: F401
from .weights_match_hook import WeightsMatchHook  # noqa: F401
