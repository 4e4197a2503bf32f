# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import functools
import logging
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmpretrain.models import ImageClassifier

from mmfer.checkpoint.config_parts import read_config_text
from mmfer.checkpoint.config_text import ConfigTextError
from mmfer.checkpoint.safe_load import load_checkpoint_file
from mmfer.inference.build_limit import at_most
from mmfer.inference.face_cutter import FaceCutter
from mmfer.inference.load_model import build_model, load_model
from mmfer.inference.model_facts import class_names
from mmfer.utils.config_options import merge_options, parse_options, read_config

from .included_weights import checked_weights
from .model_index import find_model

#: File name extensions of checkpoints.
CHECKPOINT_SUFFIXES = ('.safetensors', '.pth', '.pt')

_TRIAL = 64  # pixels


def get_model(
    model: str | Path | Config,
    weights: str | Path | None = None,
    device: str | torch.device = 'cpu',
    cfg_options: Iterable[str] = (),
    allow_untrained: bool = True,
) -> ImageClassifier:
    """Build a model for inference.

    Args:
        model (str | Path | Config): A name of :func:`.list_models`, a config file, a
            :class:`~mmengine.config.Config`, or a checkpoint that contains its config: saved by
            ``tools/train.py`` or written by ``tools/model_converters/publish_model.py``.
        weights (str | Path, optional): The checkpoint. Defaults to ``model`` if it is one, else to
            the weights in the model index.
        device (str | torch.device): Device of the model. Defaults to ``'cpu'``.
        cfg_options (Iterable[str]): ``KEY=VALUE`` strings that override the config, such as
            ``'model.backbone.app.keep_num=80'``.
        allow_untrained (bool): If there are no weights, whether to build the untrained model, with
            a warning, or to raise an error. Defaults to True.

    Returns:
        The model in eval mode. As in mmpretrain, ``model._config`` is the config and
        ``model._dataset_meta`` has the class names.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: The name is unknown, weights are missing and ``allow_untrained`` is False, or
            the weights belong to another model.
        CheckpointError: A checkpoint cannot be read, or its sha256 differs from that in the index.
    """
    cfg, own_weights = _find(model, look=weights is None)
    carried = own_weights is not None and cfg.filename is None
    weights = own_weights if weights is None else str(weights)
    if weights is None and not allow_untrained:
        raise ValueError(
            f'{model} has no weights, and the predictions of an untrained model are meaningless: '
            'pass a checkpoint as weights (--weights), or one that contains its config as the model'
        )
    merge_options(cfg, parse_options(cfg_options))
    if weights is None:
        built, meta = build_model(cfg).to(device).eval(), {}
        print_log(f'{model} is untrained: no weights were given', 'current', logging.WARNING)
    else:
        build = functools.partial(_build_carried, own_weights) if carried else build_model
        built, meta = load_model(cfg, weights, device, build=build)
    built._config = cfg
    built._dataset_meta = dict(meta.get('dataset_meta') or {}, classes=class_names(cfg, meta))
    return built


def _find(model: str | Path | Config, look: bool) -> tuple[Config, str | None]:
    """Return the config of a model, and its weights if known; ``look`` includes the index."""
    if isinstance(model, Config):
        return Config(model.to_dict(), filename=model.filename), None
    path = Path(model).expanduser()
    if path.suffix == '.py':
        return read_config(path), None
    if path.suffix.lower() in CHECKPOINT_SUFFIXES or path.is_file():
        return _config_in(path), str(path)
    entry = find_model(str(model))
    return read_config(entry.config), checked_weights(entry) if look else None


def _config_in(path: Path) -> Config:
    """Read the config in a checkpoint, without running it."""
    checkpoint = load_checkpoint_file(str(path))
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    text = meta.get('cfg') if isinstance(meta, dict) else None
    if not isinstance(text, str):
        raise ValueError(
            f'{path} does not contain the config of its model; pass the config as the model, and '
            'this file as its weights'
        )
    try:
        return read_config_text(text)
    except ConfigTextError as error:
        raise ValueError(f'{path}: {error}') from error


def _build_carried(path: str, cfg: Config) -> ImageClassifier:
    """Build the model of an untrusted config from a checkpoint, and try its test pipeline."""
    try:
        # A number takes at least one byte; some weights are built twice, or only for training.
        with at_most(4 * os.path.getsize(path) + 2**22):
            model = build_model(cfg)
    except Exception as error:
        raise ValueError(
            f'{path}: the model of its config cannot be built: {type(error).__name__}: {error}'
        ) from error
    if not isinstance(model, ImageClassifier) or not model.with_head:
        raise ValueError(
            f'{path}: config.model is a {type(model).__name__}, not an ImageClassifier with a head'
        )
    try:
        FaceCutter(cfg)(np.zeros((_TRIAL, _TRIAL, 3), np.uint8))
    except ValueError:  # the pipeline cannot cut faces, which is only an error if they are needed
        pass
    except Exception as error:
        raise ValueError(
            f'{path}: the test pipeline of its config cannot be used: {type(error).__name__}: '
            f'{error}'
        ) from error
    return model
