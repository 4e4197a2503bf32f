# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Publish a training checkpoint: write its weights and all that is needed to use them."""

import logging
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmfer.checkpoint.config_parts import read_config_text
from mmfer.checkpoint.config_text import ConfigTextError, parse_config_text
from mmfer.checkpoint.safetensors_file import SUFFIX, name_with_digest, to_bytes, to_half
from mmfer.inference.load_model import load_model
from mmfer.inference.model_facts import model_facts
from mmfer.utils.atomic_file import atomic_write
from mmfer.utils.config_options import read_config
from mmfer.utils.file_digest import file_digest

from .published_facts import read_facts

UNSPECIFIED = 'unspecified'


def publish_model(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    licence: str = UNSPECIFIED,
    cfg_options: dict[str, Any] | None = None,
    half: bool = False,
    facts: str | Path | None = None,
) -> Path:
    """Write a model's weights and all that is needed to use them.

    The file contains no optimizer, no frozen priors and no metadata of the training run. The same
    inputs always give the same file, byte for byte. If the config uses your own components, users
    of the file need the config too; the log says so.

    Args:
        config (str | Path): Config file that the model was trained with.
        checkpoint (str | Path): The trained checkpoint.
        out (str | Path): ``FOLDER/NAME.safetensors``; ``FOLDER/NAME-<digits>.safetensors`` is
            written, with the first eight digits of the file's sha256.
        licence (str): License of the weights, an SPDX identifier. Not necessarily that of mmfer:
            the terms of the training data may not allow it. Defaults to ``'unspecified'``.
        cfg_options (dict[str, Any], optional): Settings that override the config, such as
            ``{'model.backbone.deploy': True}`` for merged weights.
        half (bool): Whether to write weights and running statistics in half precision, which
            halves the file size. They are loaded in single precision. Defaults to False.
        facts (str | Path, optional): A YAML file with the purpose, training data and results of
            the model, see :func:`.read_facts`. Defaults to none.

    Returns:
        The file written.

    Raises:
        FileNotFoundError: The config, the checkpoint or the file of facts does not exist.
        ValueError: ``out`` has another suffix, the config is not made of plain values, the
            checkpoint belongs to another model, has weights that its model does not have or that
            are too large for half precision, or the facts are incomplete.
    """
    out = Path(out)
    if out.suffix != SUFFIX:
        raise ValueError(f'{out}: the name of a published file must end in {SUFFIX}')
    # Not load_config(), which adds settings that depend on the machine.
    cfg = read_config(config, cfg_options)
    text = _config_text(cfg)  # before the model is built, which writes defaults into the config
    # whole=True: with fewer layers in the config, the published model would not be the trained one.
    model, meta = load_model(cfg, checkpoint, whole=True)
    notes = dict(
        model_facts(cfg, meta), cfg=text, licence=licence, source_sha256=file_digest(checkpoint)
    )
    if facts is not None:
        notes['facts'] = read_facts(facts, notes['classes'])
    if 'calibration' in meta:
        notes['calibration'] = meta['calibration']
    if not notes['classes']:
        del notes['classes']
    weights = model.state_dict()
    content = to_bytes(to_half(weights) if half else weights, notes)
    target = out.with_name(name_with_digest(out.stem, content))
    atomic_write(target, content)
    return target


def _config_text(cfg: Config) -> str:
    try:
        parse_config_text(cfg.pretty_text)
    except ConfigTextError as error:
        raise ValueError(f'{cfg.filename} cannot be stored with its weights: {error}') from error
    try:
        read_config_text(cfg.pretty_text)
    except ConfigTextError as error:  # mostly components of the user
        print_log(
            f'users of these weights also need {cfg.filename}: {error}',
            'current',
            logging.WARNING,
        )
    return cfg.pretty_text
