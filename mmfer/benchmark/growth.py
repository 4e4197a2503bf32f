# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
from collections.abc import Callable, Mapping, Sequence

from mmengine.config import Config

from mmfer.deployment.untrained import random_model
from mmfer.utils.image_size import image_size
from mmfer.visualization.cost_growth import Cost

from .timing import CLOCKS
from .training import training_memory
from .variants import random_inputs, time_variants


def measure_growth(
    configs: Mapping[str, Config],
    batch_sizes: Sequence[int],
    sizes: Sequence[int],
    turns: int = 3,
    device: str = 'cpu',
    clock: Callable[[], float] = CLOCKS['wall'],
) -> list[Cost]:
    """Measure models at every batch size and image size.

    Args:
        configs (Mapping[str, Config]): Configs by name.
        batch_sizes (Sequence[int]): Batch sizes.
        sizes (Sequence[int]): Sides of square images, pixels.
        turns (int): Timed calls per model. Defaults to 3.
        device (str): Device of the models. Defaults to ``'cpu'``.
        clock (Callable[[], float]): One of :data:`.CLOCKS`. Defaults to ``'wall'``.

    Raises:
        ValueError: The image size must be changed, but the backbone has no ``img_size``; or a model
            fails, such as for lack of memory.
    """
    costs = []
    for size in sizes:
        sized = {name: _with_size(cfg, size) for name, cfg in configs.items()}
        models = {name: random_model(cfg).to(device) for name, cfg in sized.items()}
        for batch_size in batch_sizes:
            inputs = {name: random_inputs(cfg, batch_size, device) for name, cfg in sized.items()}
            times, skipped = time_variants(models, inputs, ['eager'], turns, clock=clock)
            if skipped:
                raise ValueError(f'batch {batch_size}, {size} pixels cannot be timed: {skipped}')
            for (name, cfg), measured in zip(sized.items(), times.values(), strict=True):
                memory = training_memory(cfg, batch_size, device)
                costs.append(Cost(name, batch_size, size, memory, measured.median))
    return costs


def _with_size(cfg: Config, size: int) -> Config:
    """Return the config for square images of another size."""
    if image_size(cfg)[0] == (size, size):
        return cfg
    if 'img_size' not in cfg.model.backbone:
        raise ValueError(
            f'{cfg.filename} has no model.backbone.img_size that could be set to {size}'
        )
    cfg = copy.deepcopy(cfg)
    cfg.model.backbone.img_size = size
    return cfg
