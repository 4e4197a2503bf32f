# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Load the model of a config for an export, and images to compare it on.

Images are uint8 BGR ``(N, 3, H, W)``, as from data loaders.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.datasets import SynthFace
from mmfer.datasets.transforms.resize_face import resize
from mmfer.engine.launch import load_config
from mmfer.inference.load_model import load_model
from mmfer.inference.model_facts import model_facts
from mmfer.inference.split_loader import build_split_loader
from mmfer.models.heads import LandmarkHead
from mmfer.registry import MODELS
from mmfer.utils.components import is_component
from mmfer.utils.image_size import image_size

from .model import network_inputs
from .untrained import random_model, spread_ages

_IMAGES = 4


@dataclass(frozen=True)
class LoadedModel:
    """A model for an export.

    Attributes:
        cfg (Config): The whole config.
        model (ImageClassifier): The model in eval mode.
        size (tuple[int, int]): Height and width of the images.
        meta (dict[str, Any]): ``meta`` of the checkpoint; empty without a checkpoint.
        trained (bool): Whether weights are from a checkpoint.
    """

    cfg: Config
    model: ImageClassifier
    size: tuple[int, int]
    meta: dict[str, Any]
    trained: bool

    def facts(
        self, licence: str = 'unspecified', with_preprocessing: bool = False
    ) -> dict[str, Any]:
        """Return the metadata for an exported file.

        Args:
            licence (str): SPDX identifier of the license of the weights. Defaults to
                ``'unspecified'``.
            with_preprocessing (bool): Whether the file includes the normalization of images.
                Defaults to False.

        Returns:
            ``classes`` (empty for age and landmarks), ``config`` (its name), ``input_size``
            (height, width), ``licence``, ``mmfer_version``, ``precision``, ``preprocessing``
            (``mean``, ``std``, ``order`` of the channels, whether it is ``inside`` the graph),
            ``task``, ``trained``.
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


def load_for_export(
    config: str,
    checkpoint: str | None = None,
    options: Mapping[str, Any] | None = None,
    size: Sequence[int] | None = None,
    device: str = 'cpu',
) -> LoadedModel:
    """Build the model of a config and load its weights.

    Args:
        config (str): Config file.
        checkpoint (str, optional): Checkpoint of the model. Defaults to None: random weights, with
            a warning, see :func:`.random_model`. Nothing is downloaded.
        options (Mapping[str, Any], optional): Settings that override the config.
        size (Sequence[int], optional): Height and width of the images, or one number for both.
            Defaults to None: the size of the model or the test pipeline, else 224.
        device (str): Device of the model. Defaults to ``'cpu'``.

    Raises:
        FileNotFoundError: The config or checkpoint does not exist.
        UnknownOptionError: The config does not have a setting of ``options``.
        CheckpointError: The checkpoint cannot be read.
        ValueError: The checkpoint belongs to another model.
    """
    cfg = load_config(config, options)
    height_width = (size[0], size[-1]) if size else image_size(cfg)[0]
    if size and is_component(cfg.model.get('head') or {}, MODELS, LandmarkHead):
        cfg.model.head.input_size = height_width  # landmarks are in pixels
    if checkpoint is not None:
        model, meta = load_model(cfg, checkpoint, device)
        return LoadedModel(cfg, model, height_width, meta, True)
    model = random_model(cfg).to(device)
    spread_ages(model, network_inputs(model, random_images(_IMAGES, height_width)))
    print_log('no checkpoint was given: the weights are random', 'current', logging.WARNING)
    return LoadedModel(cfg, model, height_width, {}, False)


def random_images(num: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Return images of independent random pixels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, 3, *size), dtype=torch.uint8, generator=generator)


def drawn_images(num: int, size: tuple[int, int]) -> Tensor:
    """Return drawn faces, as a substitute for photographs."""
    height, width = size
    faces = SynthFace(split='test', num_samples=num, image_size=max(size))
    images = [cv2.resize(faces[index]['img'], (width, height)) for index in range(num)]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def real_images(cfg: Config, num: int, size: tuple[int, int]) -> tuple[str, Tensor]:
    """Return images of a config's test set, spread evenly, or drawn faces if its files are missing.

    Args:
        cfg (Config): The config.
        num (int): Number of images; fewer if the set has fewer.
        size (tuple[int, int]): Height and width of the model's input. Images of the test pipeline
            are resized if they have another size.

    Returns:
        Name of the images, and the images.
    """
    loader = cfg.get('test_dataloader')
    try:
        if not loader:
            raise FileNotFoundError('the config has no test_dataloader')
        batches = build_split_loader(cfg, 'test', num)
    except OSError as error:
        reason = str(error).splitlines()[0]
        print_log(f'using drawn faces, not the test set: {reason}', 'current', logging.WARNING)
        return 'drawn faces', drawn_images(num, size)
    images = torch.cat([batch['inputs'] for batch in batches])
    before, images = tuple(images.shape[2:]), resize_images(images, size)
    return 'test set' if before == tuple(size) else 'test set, resized', images


def resize_images(images: Tensor, size: Sequence[int]) -> Tensor:
    """Resize images to (height, width); return the same tensor if they have this size."""
    height, width = size
    if images.shape[2:] == (height, width):
        return images
    resized = [resize(image.permute(1, 2, 0).numpy(), (width, height)) for image in images]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).contiguous()
