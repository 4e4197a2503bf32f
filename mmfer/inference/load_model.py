# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmpretrain.models import ImageClassifier

from mmfer.checkpoint.safe_load import load_weights
from mmfer.checkpoint.state_dicts import as_loaded, check_numbers, compare_state_dicts
from mmfer.registry import MODELS


def load_model(
    cfg: Config,
    checkpoint: str | Path,
    device: str | torch.device = 'cpu',
    whole: bool = False,
    build: Callable[[Config], ImageClassifier] | None = None,
) -> tuple[ImageClassifier, dict[str, Any]]:
    """Build the model of a config for inference and load a checkpoint.

    Position embeddings are resized if ``img_size`` differs, as in training.

    Args:
        cfg (Config): The whole config.
        checkpoint (str | Path): A checkpoint of this model.
        device (str | torch.device): Device of the model. Defaults to ``'cpu'``.
        whole (bool): Whether unexpected weights are an error (True) or a warning (False). Weights
            of priors, which a ``FaceAnalyzer`` saves with ``save_priors``, are always ignored.
            Defaults to False.
        build (Callable[[Config], ImageClassifier], optional): Builds the model. Defaults to
            :func:`build_model`.

    Returns:
        The model, in eval mode, and the checkpoint's ``meta`` (empty if it has none).

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointError: The file cannot be read.
        ValueError: The file contains no weights; or a weight of the model is missing, has another
            shape, or is NaN or infinite.
    """
    model = (build or build_model)(cfg)
    weights, meta = load_weights(str(checkpoint))
    weights = as_loaded(model, weights)
    name = cfg.filename or 'the config'
    report = compare_state_dicts(model.state_dict(), weights)
    if report.missing or report.reshaped:
        raise ValueError(
            f'{checkpoint} is not a checkpoint of {name}: {report}\n{report.details()}'
        )
    check_numbers(weights, report.matched, str(checkpoint))
    foreign = [key for key in report.unexpected if not key.startswith('priors.')]
    if foreign:
        message = (
            f'{checkpoint} has {len(foreign)} weights that the model of {name} does not have, such '
            f'as {foreign[0]}; was it trained with this config?'
        )
        if whole:
            raise ValueError(message)
        print_log(message, 'current', logging.WARNING)
    model.load_state_dict(weights, strict=False)
    return model.to(device).eval(), meta


def build_model(cfg: Config) -> ImageClassifier:
    """Build the model of a config with its ``data_preprocessor``, without loading weights.

    Sets the default scope to that of the config.
    """
    init_default_scope(cfg.get('default_scope', 'mmfer'))
    settings = copy.deepcopy(cfg.model)
    settings.setdefault('data_preprocessor', copy.deepcopy(cfg.get('data_preprocessor')))
    return MODELS.build(settings)
