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
    """Build the model of a config for inference and fill it from a checkpoint.

    Position embeddings are resized as in training, where ``img_size`` is another one.

    Args:
        cfg (Config): The whole config.
        checkpoint (str | Path): A file of this model.
        device (str | torch.device): Where the model goes. Defaults to ``'cpu'``.
        whole (bool): Whether weights that the model has no place for are an error, or a warning.
            Those of priors, which a ``FaceAnalyzer`` saves with ``save_priors``, never count.
            Defaults to False.
        build (Callable[[Config], ImageClassifier], optional): What builds the model. Defaults to
            :func:`build_model`.

    Returns:
        The model, in eval mode, and the checkpoint's ``meta`` (empty if it has none).

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: The file cannot be read.
        ValueError: It holds no weights; or a weight of the model is missing in it, has another
            shape, or is NaN or infinite.
    """
    model = (build or build_model)(cfg)
    weights, meta = load_weights(str(checkpoint))
    weights = as_loaded(model, weights)
    name = cfg.filename or 'the config'
    report = compare_state_dicts(model.state_dict(), weights)
    if report.missing or report.reshaped:
        raise ValueError(f'{checkpoint} is no checkpoint of {name}: {report}\n{report.details()}')
    try:
        check_numbers(weights, report.matched)
    except ValueError as error:
        raise ValueError(f'{checkpoint}: {error}') from error
    foreign = [key for key in report.unexpected if not key.startswith('priors.')]
    if foreign:
        message = (
            f'{checkpoint} holds {len(foreign)} weights that {name} has no place for, such as '
            f'{foreign[0]}; is it the config that it was trained with?'
        )
        if whole:
            raise ValueError(message)
        print_log(message, 'current', logging.WARNING)
    model.load_state_dict(weights, strict=False)
    return model.to(device).eval(), meta


def build_model(cfg: Config) -> ImageClassifier:
    """Build the model of a config with its ``data_preprocessor``; no weights are read.

    Sets the default scope to that of the config.
    """
    init_default_scope(cfg.get('default_scope', 'mmfer'))
    settings = copy.deepcopy(cfg.model)
    settings.setdefault('data_preprocessor', copy.deepcopy(cfg.get('data_preprocessor')))
    return MODELS.build(settings)
