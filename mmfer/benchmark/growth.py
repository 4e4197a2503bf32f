# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How cost grows with the batch and with the picture."""

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from mmengine.config import Config

from mmfer.utils.picture_size import picture_size
from mmfer.visualization.cost_growth import Cost

from .models import random_model, random_pictures, training_memory
from .timing import CLOCKS, interleave


def with_picture_size(cfg: Config, size: int) -> Config:
    """The config for square pictures of another size.

    Raises:
        ValueError: The config's backbone has no ``img_size``.
    """
    if picture_size(cfg)[0] == (size, size):
        return cfg
    if 'img_size' not in cfg.model.backbone:
        raise ValueError(
            f'{cfg.filename} has no model.backbone.img_size that could be set to {size}'
        )
    cfg = copy.deepcopy(cfg)
    cfg.model.backbone.img_size = size
    return cfg


def measure_growth(
    configs: Mapping[str, Config],
    batch_sizes: Sequence[int],
    sizes: Sequence[int],
    turns: int = 3,
    device: str = 'cpu',
    clock: Callable[[], float] = CLOCKS['wall'],
) -> list[Cost]:
    """Measure models at every batch size and picture size.

    Args:
        configs: By name.
        batch_sizes: Pictures at once.
        sizes: Sides of square pictures, pixels.
        turns: Timed calls. Default 3.
        device: Where. Default ``'cpu'``.
        clock: One of :data:`.CLOCKS`. Default ``'wall'``.
    """
    costs = []
    for size in sizes:
        sized = {name: with_picture_size(cfg, size) for name, cfg in configs.items()}
        models = {name: random_model(cfg, device) for name, cfg in sized.items()}
        for batch_size in batch_sizes:
            runs = {}
            for name, model in models.items():
                pictures = random_pictures(sized[name], batch_size, device)
                runs[name] = lambda model=model, pictures=pictures: model(pictures)
            with torch.inference_mode():
                times = interleave(runs, turns, clock=clock)
            for name, cfg in sized.items():
                memory = training_memory(cfg, batch_size, device)
                costs.append(Cost(name, batch_size, size, memory, times[name].median))
    return costs
