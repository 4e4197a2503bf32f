# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmpretrain.models import ImageClassifier

from mmfer.engine.launch import load_config
from mmfer.inference.load_model import build_model, load_model
from mmfer.inference.model_facts import model_facts
from mmfer.utils.picture_size import picture_size

from .answers import normalise
from .aot_package import export_package
from .onnx_export import export_onnx
from .pictures import random_pictures
from .untrained import shake_weights, spread_ages

_PICTURES = 4


@dataclass(frozen=True)
class LoadedModel:
    """A model that is to be exported.

    Attributes:
        cfg: Its whole config.
        model: In eval mode.
        size: Height and width of its pictures.
        meta: ``meta`` of the checkpoint; empty without one.
        trained: Whether there is a checkpoint.
    """

    cfg: Config
    model: ImageClassifier
    size: tuple[int, int]
    meta: dict[str, Any]
    trained: bool

    def facts(self, licence: str, with_preprocessing: bool) -> dict[str, Any]:
        """What an exported file says of the model.

        ``classes`` (empty for age and landmarks), ``config`` (its name), ``input_size`` (height,
        width), ``licence``, ``mmfer_version``, ``precision``, ``preprocessing`` (``mean``, ``std``,
        ``order`` of the channels, whether it is ``inside`` of the graph), ``task``, ``trained``.
        """
        facts = model_facts(self.cfg, self.meta, self.size)
        facts['preprocessing']['inside'] = with_preprocessing
        facts.update(
            config=Path(self.cfg.filename or 'unnamed').stem,
            licence=licence,
            precision='float32',
            trained=self.trained,
        )
        return facts

    def export(self, licence: str = 'unspecified', with_preprocessing: bool = False) -> bytes:
        """The content of its ONNX file, facts included, see :func:`.export_onnx`.

        Args:
            licence: Of the weights, an SPDX identifier. Default ``'unspecified'``.
            with_preprocessing: Whether it normalises pictures itself. Default False.
        """
        facts = self.facts(licence, with_preprocessing)
        return export_onnx(self.model, self.size, facts, with_preprocessing)

    def compile(self, licence: str = 'unspecified', with_preprocessing: bool = False) -> bytes:
        """The content of its compiled package, likewise, see :func:`.export_package`."""
        facts = self.facts(licence, with_preprocessing)
        return export_package(self.model, self.size, facts, with_preprocessing)


def load_for_export(
    config: str,
    checkpoint: str | None = None,
    options: Mapping[str, Any] | None = None,
    size: Sequence[int] | None = None,
    device: str = 'cpu',
) -> LoadedModel:
    """Build the model of a config.

    Args:
        config: Config file.
        checkpoint: Its weights. Default: random ones, of which a warning tells, see
            :func:`.shake_weights`. Nothing is downloaded.
        options: Settings that override the config.
        size: Height and width of the pictures, or one number for both. Default: what the model or
            the test pipeline says, else 224.
        device: Where the model goes. Default ``'cpu'``.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        UnknownOptionError: The config has no such setting.
        CheckpointError: The checkpoint cannot be read.
        ValueError: It is one of another model.
    """
    cfg = load_config(config, options)
    init_default_scope(cfg.get('default_scope', 'mmfer'))
    height_width = (size[0], size[-1]) if size else picture_size(cfg)[0]
    if checkpoint is not None:
        model, meta = load_model(cfg, checkpoint, device)
        return LoadedModel(cfg, model, height_width, meta, True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(cfg)
    shake_weights(model)
    model.to(device).eval()
    spread_ages(model, normalise(model, random_pictures(_PICTURES, height_width)))
    print_log('No checkpoint was named: the weights are random', 'current', logging.WARNING)
    return LoadedModel(cfg, model, height_width, {}, False)
