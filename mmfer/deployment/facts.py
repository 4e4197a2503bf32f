# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What an exported file says of its model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmfer.apis.model_facts import class_names, normalisation, task_of
from mmfer.version import __version__


def export_facts(
    cfg: Config,
    meta: Mapping[str, Any],
    size: tuple[int, int],
    licence: str,
    trained: bool,
    with_preprocessing: bool = False,
) -> dict[str, Any]:
    """The facts that are written into an ONNX file.

    Args:
        cfg: The config of the model.
        meta: ``meta`` of its checkpoint, for the class names.
        size: Height and width of its pictures.
        licence: Of the weights.
        trained: Whether the weights are those of a checkpoint.
        with_preprocessing: Whether the graph normalises pictures itself.

    Returns:
        ``classes`` (empty for age and landmarks), ``config`` (its name), ``input_size`` (height,
        width), ``licence``, ``mmfer_version``, ``precision``, ``preprocessing`` (``mean``, ``std``,
        ``order`` of the channels, whether it is ``inside`` of the graph), ``task``, ``trained``.
    """
    classes = class_names(cfg, meta)
    return dict(
        classes=list(classes),
        config=Path(cfg.filename or 'unnamed').stem,
        input_size=list(size),
        licence=licence,
        mmfer_version=__version__,
        precision='float32',
        preprocessing=dict(normalisation(cfg), inside=with_preprocessing),
        task=task_of(cfg, classes),
        trained=trained,
    )
