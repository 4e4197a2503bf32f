# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Pictures to compare an exported model on: uint8 BGR ``(N, 3, H, W)``, as data loaders give."""

import logging

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from torch import Tensor

from mmfer.datasets import SynthFace
from mmfer.registry import DATASETS


def random_pictures(num: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Pictures of independent random pixels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, 3, *size), dtype=torch.uint8, generator=generator)


def drawn_pictures(num: int, size: tuple[int, int]) -> Tensor:
    """Drawn faces, for want of photographs."""
    height, width = size
    faces = SynthFace(split='test', num_samples=num, image_size=max(size))
    images = [cv2.resize(faces[index]['img'], (width, height)) for index in range(num)]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def real_pictures(cfg: Config, num: int, size: tuple[int, int]) -> tuple[str, Tensor]:
    """Pictures of a config's test set, spread evenly; drawn faces where its files are missing.

    Args:
        cfg: The config.
        num: How many; fewer if the set has fewer.
        size: Height and width that the model takes.

    Returns:
        What they are, and the pictures.

    Raises:
        ValueError: The test pipeline makes pictures of another size.
    """
    loader = cfg.get('test_dataloader')
    try:
        if not loader:
            raise FileNotFoundError('the config has no test_dataloader')
        dataset = DATASETS.build(loader.dataset)
    except OSError as error:
        reason = str(error).splitlines()[0]
        print_log(f'drawn faces instead of the test set: {reason}', 'current', logging.WARNING)
        return 'drawn faces', drawn_pictures(num, size)
    indices = np.linspace(0, len(dataset) - 1, min(num, len(dataset))).round().astype(int)
    images = [dataset[index]['inputs'] for index in indices.tolist()]
    wrong = [tuple(image.shape) for image in images if tuple(image.shape) != (3, *size)]
    if wrong:
        raise ValueError(
            f'the test pipeline makes pictures of {wrong[0]} (channels, height, width), and the '
            f'model is exported for {(3, *size)}; name the size with --size'
        )
    return 'test set', torch.stack(images)
