# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Whether an exported model is quicker on this machine than what ``FaceInferencer`` runs anyway."""

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

#: As ``FaceInferencer`` takes faces on a processor.
_IMAGES = 8
#: A call that takes longer is made with one image.
_SECONDS = 0.5
_TURNS = 5


@dataclass(frozen=True)
class ExportSpeed:
    """A call of an exported model beside one of the model in PyTorch.

    Attributes:
        name (str): What was exported.
        images (int): In a call.
        exported (float): Milliseconds of a call, the median.
        inferencer (float): The same of the model as ``FaceInferencer`` runs it.
        speed_up (float): How many times as fast the exported one is; below 1 it is slower.
        low (float): The least within a turn.
        high (float): The most.
        threads (int): Of either side.
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
            f'{self.name}: {self.speed_up:.2f} times as fast here as what FaceInferencer runs '
            f'({self.low:.2f} to {self.high:.2f}): {self.images} image(s) in {self.exported:.1f} '
            f'ms, not {self.inferencer:.1f}; {self.threads} thread(s), median of {_TURNS} turns'
        )


@torch.inference_mode()
def measure_exports(
    model: ImageClassifier, exported: Mapping[str, ExportedModel], size: tuple[int, int]
) -> list[ExportSpeed]:
    """Time exported models against the model as ``FaceInferencer`` runs it on a processor.

    That is with merged branches and ``channels_last``, from uint8 images to the outputs, eight
    images at a time. All take turns, on as many threads as PyTorch has. It takes seconds.

    Args:
        model (ImageClassifier): What was exported; left as it is.
        exported (Mapping[str, ExportedModel]): The results by name, which run on as many threads.
        size (tuple[int, int]): Height and width of its images.
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
