# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

from mmengine.config import Config
from mmpretrain.models import ImageClassifier

from mmfer.registry import MODELS
from mmfer.utils.safe_load import load_checkpoint_file
from mmfer.utils.state_dicts import compare_state_dicts, unwrap

# So many names are enough to see what is wrong, more would hide the rest of the message.
_NAMED = 5


def load_model(cfg: Config, checkpoint: str, device: str = 'cpu') -> tuple[ImageClassifier, dict]:
    """Build the model of a config for inference and fill it from a checkpoint.

    Args:
        cfg: The whole config; its default scope has been set.
        checkpoint: A file of this model.
        device: Where the model goes. Default ``'cpu'``.

    Returns:
        The model, in eval mode, and the checkpoint's ``meta`` (empty if it has none).

    Raises:
        ValueError: A weight of the model is missing in the checkpoint or has another shape.
    """
    settings = copy.deepcopy(cfg.model)
    settings.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    model = MODELS.build(settings)
    content = load_checkpoint_file(checkpoint)
    weights = unwrap(content)
    report = compare_state_dicts(model.state_dict(), weights)
    if report.missing or report.reshaped:
        raise ValueError(
            f'{checkpoint} is no checkpoint of {cfg.filename}: {report}\n{report.details(_NAMED)}'
        )
    model.load_state_dict(weights, strict=False)
    return model.to(device).eval(), dict(content.get('meta') or {})
