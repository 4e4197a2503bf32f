# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Turn a training checkpoint into a file for other people: weights, and how they are used."""

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

    The file holds no optimizer, no frozen priors and no notes of the training run. It is the same,
    byte for byte, whenever and wherever it is made of the same files. Where the config names parts
    of your own, whoever uses the file needs the config too; the log says so.

    Args:
        config (str | Path): Config file that the model was trained with.
        checkpoint (str | Path): The trained checkpoint.
        out (str | Path): ``FOLDER/NAME.safetensors``; becomes ``FOLDER/NAME-<digits>.safetensors``
            with the first eight digits of the file's sha256.
        licence (str): Of the weights, an SPDX identifier. It is not that of mmfer: the data that
            they were trained on may not allow it. Defaults to ``'unspecified'``.
        cfg_options (dict[str, Any], optional): Settings that override the config, such as
            ``{'model.backbone.deploy': True}`` for merged weights.
        half (bool): Whether weights and running statistics are written in half precision, which
            makes the file half as large. Whoever loads them computes in single. Defaults to False.
        facts (str | Path, optional): A YAML file that says what the model is for, what it was
            trained on and what was measured, see :func:`.read_facts`. Defaults to none.

    Returns:
        The file written.

    Raises:
        FileNotFoundError: There is no such config, checkpoint or file of facts.
        ValueError: ``out`` has another suffix, the config is not made of plain values, the
            checkpoint is one of another model, it holds weights that its model has no place for or
            that half precision has none for, or the facts are incomplete.
    """
    out = Path(out)
    if out.suffix != SUFFIX:
        raise ValueError(f'{out}: the name of a published file ends in {SUFFIX}')
    # Not load_config(), which adds what depends on the machine.
    cfg = read_config(config, cfg_options)
    text = _config_text(cfg)  # before the model is built, which writes defaults into the config
    # Whole: a config with fewer layers would be published as a model nobody trained.
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
        raise ValueError(f'{cfg.filename} cannot travel with its weights: {error}') from error
    try:
        read_config_text(cfg.pretty_text)
    except ConfigTextError as error:  # mostly a user's own parts
        print_log(
            f'whoever uses these weights needs {cfg.filename} too: {error}',
            'current',
            logging.WARNING,
        )
    return cfg.pretty_text
