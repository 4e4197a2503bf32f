# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Speed of an exported model against the PyTorch model of ``FaceInferencer``, on this machine."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from mmpretrain.models import ImageClassifier

from mmfer.deployment.compare import exported_outputs, torch_outputs
from mmfer.deployment.exported import ExportedModel
from mmfer.deployment.load import random_images
from mmfer.utils.reparameterize import merge_branches

from .timing import interleave, ratio, wall_clock

#: Batch size of ``FaceInferencer`` on a CPU.
_IMAGES = 8
#: If a call takes longer, one image per call is used.
_SECONDS = 0.5
_TURNS = 5


@dataclass(frozen=True)
class ExportSpeed:
    """Time per call of an exported model, compared with the model in PyTorch.

    Attributes:
        name (str): Name of the exported model.
        images (int): Images per call.
        exported (float): Median time per call of the exported model, in milliseconds.
        inferencer (float): The same for the model as ``FaceInferencer`` runs it.
        speed_up (float): Speed-up of the exported model; below 1, it is slower.
        low (float): Smallest speed-up within a turn.
        high (float): Largest speed-up within a turn.
        threads (int): Number of threads of both models.
    """

    name: str
    images: int
    exported: float
    inferencer: float
    speed_up: float
    low: float
    high: float
    threads: int

    def __str__(self) -> str:
        return (
            f'{self.name}: {self.speed_up:.2f} times as fast as FaceInferencer on this machine '
            f'({self.low:.2f} to {self.high:.2f}): {self.images} image(s) in {self.exported:.1f} '
            f'ms instead of {self.inferencer:.1f}; {self.threads} thread(s), median of {_TURNS} '
            'turns'
        )


@torch.inference_mode()
def measure_exports(
    model: ImageClassifier, exported: Mapping[str, ExportedModel], size: tuple[int, int]
) -> list[ExportSpeed]:
    """Time exported models against the model as ``FaceInferencer`` runs it on a CPU.

    ``FaceInferencer`` uses merged branches, ``channels_last`` and batches of eight images. Time is
    measured from uint8 images to outputs. All models take turns and use PyTorch's number of
    threads. The measurement takes seconds.

    Args:
        model (ImageClassifier): The model before the export; it is not changed.
        exported (Mapping[str, ExportedModel]): Exported models by name, with the same number of
            threads.
        size (tuple[int, int]): Height and width of the images.
    """
    folded = copy.deepcopy(model).cpu().eval()
    merge_branches(folded)
    folded.to(memory_format=torch.channels_last)
    images = random_images(_IMAGES, size)
    begin = wall_clock()
    torch_outputs(folded, images)
    if wall_clock() - begin > _SECONDS:
        images = images[:1]
    runs = {name: partial(exported_outputs, each, images) for name, each in exported.items()}
    measured = interleave({'': partial(torch_outputs, folded, images), **runs}, _TURNS)
    usual = measured.pop('')
    speeds = []
    for name, times in measured.items():
        against = ratio(usual, times)
        speeds.append(
            ExportSpeed(
                name,
                len(images),
                1e3 * times.median,
                1e3 * usual.median,
                against.value,
                against.low,
                against.high,
                torch.get_num_threads(),
            )
        )
    return speeds
