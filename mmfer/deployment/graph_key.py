# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

#: What a config says of training only: the exported graph does not depend on it.
_TRAINING = frozenset(
    (
        'cal_acc',
        'drop_mask',
        'drop_path_rate',
        'drop_rate',
        'drop_threshold',
        'dropout_rate',
        'frozen',
        'init_cfg',
        'init_scale',
        'loss',
        'mad_rate',
        'msad_rate',
        'num_priors',
        'priors',
        'save_priors',
        'topk',
        'train_cfg',
        'with_cp',
    )
)


def graph_key(cfg: Config, size: tuple[int, int]) -> str:
    """A text that is the same for configs whose models are exported to the same graph.

    Args:
        cfg: The config.
        size: Height and width of its pictures.
    """
    return json.dumps([_inference(cfg.model.to_dict()), size], sort_keys=True, default=repr)


def _inference(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _inference(item) for key, item in value.items() if key not in _TRAINING}
    if isinstance(value, (list, tuple)):
        return [_inference(item) for item in value]
    return value
