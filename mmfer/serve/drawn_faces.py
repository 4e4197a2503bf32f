# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.config import Config

from mmfer.categories import EXPRESSIONS
from mmfer.datasets import SynthFace
from mmfer.registry import DATASETS
from mmfer.utils.components import is_component
from mmfer.utils.dataset_config import find_test_dataset

_NUMBER = 1000
_SIDE = 320  # pixels
_EASY = dict(variation=0.6, pose=0.4, light=0.4, clutter=0.2, occlusion=0.0)


class DrawnFace(NamedTuple):
    """An example image."""

    png: bytes  #: The file.
    expression: str  #: The expression it was drawn with.


class DrawnFaces:
    """Drawn faces to try a model without a photograph.

    They are from the test split. For models trained on drawn faces, they are drawn like the test
    set of the config.

    Args:
        cfg (Config): The model's config.
        aligned (bool): Whether to draw cropped faces; else head and shoulders, for a detector.
    """

    def __init__(self, cfg: Config, aligned: bool):
        dataset = find_test_dataset(cfg)
        same = dataset if is_component(dataset, DATASETS, SynthFace) else {}
        self._faces = SynthFace(
            split='test',
            num_samples=_NUMBER,
            image_size=_SIDE,
            crop=same.get('crop', 'loose') if aligned else 'wide',
            seed=same.get('seed', 0),
            difficulty=same.get('difficulty', _EASY),
        )

    def draw(self, number: int) -> DrawnFace:
        """Draw the face with this number, 0 or more; they repeat after 1000."""
        sample = self._faces[number % _NUMBER]
        png = cv2.imencode('.png', np.ascontiguousarray(sample['img']))[1].tobytes()
        return DrawnFace(png, EXPRESSIONS[sample['expression']])
