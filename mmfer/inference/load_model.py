# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
import logging
from collections.abc import Iterable

from mmengine.config import Config
from mmengine.logging import print_log
from mmpretrain.models import ImageClassifier

from mmfer.checkpoint.safe_load import load_checkpoint_file
from mmfer.checkpoint.state_dicts import check_numbers, compare_state_dicts, unwrap
from mmfer.registry import MODELS

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
    model = build_model(cfg)
    meta = fill_model(model, load_checkpoint_file(checkpoint), checkpoint, cfg)
    return model.to(device).eval(), meta


def build_model(cfg: Config) -> ImageClassifier:
    """Build the model of a config with its ``data_preprocessor``; no weights are read."""
    settings = copy.deepcopy(cfg.model)
    settings.setdefault('data_preprocessor', copy.deepcopy(cfg.get('data_preprocessor')))
    return MODELS.build(settings)


def fill_model(model: ImageClassifier, checkpoint: dict, name: str, cfg: Config) -> dict:
    """Put the weights of a checkpoint into a model.

    Args:
        model: Changed in place.
        checkpoint: What was loaded.
        name: Where from, for messages.
        cfg: What the model was built from, for messages.

    Returns:
        The checkpoint's ``meta``, empty if it has none.

    Raises:
        ValueError: It holds no weights; or a weight of the model is missing in the checkpoint, has
            another shape, or is not a number.
    """
    try:
        weights = unwrap(checkpoint)
    except ValueError as error:
        raise ValueError(f'{name} is no checkpoint: {error}') from error
    report = compare_state_dicts(model.state_dict(), weights)
    if report.missing or report.reshaped:
        raise ValueError(
            f'{name} is no checkpoint of {cfg.filename or "the config"}: {report}\n'
            f'{report.details(_NAMED)}'
        )
    try:
        check_numbers(weights, report.matched)
    except ValueError as error:
        raise ValueError(f'{name}: {error}') from error
    if foreign := foreign_weights(report.unexpected):
        print_log(
            f'{name} holds {len(foreign)} weights that {cfg.filename or "the config"} has no place '
            f'for, such as {foreign[0]}; is it the config that it was trained with?',
            'current',
            logging.WARNING,
        )
    model.load_state_dict(weights, strict=False)
    return dict(checkpoint.get('meta') or {})


def foreign_weights(unexpected: Iterable[str]) -> list[str]:
    """Those weights of a checkpoint that a model for inference should have but has not.

    The priors that a ``FaceAnalyzer`` saves with ``save_priors`` it does without.
    """
    return [name for name in unexpected if not name.startswith('priors.')]
