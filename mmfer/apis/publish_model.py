# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Turn a training checkpoint into a file for other people: weights, and how they are used."""

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmfer.checkpoint.config_text import ConfigTextError, read_config_text
from mmfer.checkpoint.safe_load import load_checkpoint_file
from mmfer.checkpoint.safetensors_file import SUFFIX, name_with_digest, to_bytes
from mmfer.checkpoint.state_dicts import compare_state_dicts, unwrap
from mmfer.inference.load_model import foreign_weights, load_model
from mmfer.inference.model_facts import model_facts
from mmfer.utils.atomic_file import atomic_write
from mmfer.utils.config_options import merge_options
from mmfer.utils.file_digest import file_digest

UNSPECIFIED = 'unspecified'


class PublishError(ValueError):
    """A checkpoint cannot be published."""


def publish_model(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    licence: str = UNSPECIFIED,
    cfg_options: dict[str, Any] | None = None,
) -> Path:
    """Write a model's weights and all that is needed to use them.

    The file holds no optimizer, no frozen priors and no notes of the training run. It is the same,
    byte for byte, whenever and wherever it is made of the same files.

    Args:
        config: Config file that the model was trained with.
        checkpoint: The trained checkpoint.
        out: ``FOLDER/NAME.safetensors``; becomes ``FOLDER/NAME-<digits>.safetensors`` with the
            first eight digits of the file's sha256.
        licence: Of the weights, an SPDX identifier. It is not that of mmfer: the data that they
            were trained on may not allow it. Default ``'unspecified'``.
        cfg_options: Settings that override the config, such as
            ``{'model.backbone.deploy': True}`` for merged weights.

    Returns:
        The file written.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        PublishError: ``out`` has another suffix, the config is not made of plain values, or the
            checkpoint holds weights that its model has no place for.
        ValueError: The checkpoint is one of another model.
    """
    config, checkpoint, out = Path(config), Path(checkpoint), Path(out)
    if out.suffix != SUFFIX:
        raise PublishError(f'{out}: the name of a published file ends in {SUFFIX}')
    if not config.is_file():
        raise FileNotFoundError(f'there is no config {config}')
    # Not load_config(), which adds what depends on the machine.
    cfg = Config.fromfile(config)
    merge_options(cfg, cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmfer'))
    text = _config_text(cfg)  # before the model is built, which writes defaults into the config
    model, meta = load_model(cfg, str(checkpoint))
    _check_complete(checkpoint, model, config)
    facts = dict(
        model_facts(cfg, meta), cfg=text, licence=licence, source_sha256=file_digest(checkpoint)
    )
    if not facts['classes']:
        del facts['classes']
    content = to_bytes(model.state_dict(), facts)
    target = out.with_name(name_with_digest(out.stem, content))
    atomic_write(target, content)
    return target


def _check_complete(checkpoint: Path, model: nn.Module, config: Path) -> None:
    """A config with fewer layers also loads, and would be published as a model nobody trained."""
    weights = unwrap(load_checkpoint_file(str(checkpoint)))
    foreign = foreign_weights(compare_state_dicts(model.state_dict(), weights).unexpected)
    if foreign:
        raise PublishError(
            f'{checkpoint} holds {len(foreign)} weights that {config} has no place for, such as '
            f'{foreign[0]}; name the config that it was trained with'
        )


def _config_text(cfg: Config) -> str:
    try:
        read_config_text(cfg.pretty_text)
    except ConfigTextError as error:
        raise PublishError(f'{cfg.filename} cannot travel with its weights: {error}') from error
    return cfg.pretty_text
