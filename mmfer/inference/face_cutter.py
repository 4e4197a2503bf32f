# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from mmcv.transforms import (
    BaseTransform,
    CenterCrop,
    LoadAnnotations,
    LoadImageFromFile,
    Resize,
)
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.datasets.transforms import PackInputs, PackMultiTaskInputs, ResizeEdge

from mmfer.datasets import SynthFace
from mmfer.datasets.transforms import CropFace, ResizeFace
from mmfer.datasets.transforms.crop_face import below_forehead
from mmfer.datasets.transforms.face_geometry import chain, resize_map, warp
from mmfer.datasets.transforms.face_results import put_image
from mmfer.faces import Face, face_template, similarity_map
from mmfer.registry import DATASETS, TRANSFORMS
from mmfer.synth.camera import CROPS
from mmfer.utils.components import is_component
from mmfer.utils.dataset_config import find_test_dataset
from mmfer.utils.image_size import image_size

# Size of a drawn face in its own units, and offset of the image center above the center of the box
# in longer sides of the box; means over 150 faces.
_FACE_UNITS, _UP = 1.664, -0.103

# The size of the aligned images that APViT's configs read (docs/alignment.md).
_ALIGNED = 224

# Steps that only read or pack.
_FRAME = (LoadImageFromFile, LoadAnnotations, PackInputs, PackMultiTaskInputs)


# Largest aspect ratio of an image that is one face.
_THIN = 8


class NotAFaceError(ValueError):
    """Not a face: its five points coincide or are mirrored, or the image is a narrow strip."""


class Cut(NamedTuple):
    """A face cut out of an image: the input of the network."""

    image: np.ndarray  #: uint8 (h, w, 3), BGR.
    matrix: np.ndarray  #: The affine map (2, 3) from pixels of the original image to this one.


class FaceCutter:
    """Cuts faces out of images in the same way as the images that the model was tested on.

    It runs the config's test pipeline, after a first step that makes a photograph look like the
    images of the dataset. For a detected face, this step is:

    * If the pipeline has ``CropFace``, it crops at the detected box. The upper sixth of the box is
      cut off if ``scale`` is the default (KT-Adapter), which is meant for boxes without the
      forehead, or if the dataset has the ``boxes`` of a detector. If the config sets a ``scale``
      for the boxes of its dataset (AffectNet, ExpW), the whole box is used.
    * For ``SynthFace``, whose images are drawn, a ``CropFace`` that matches its ``crop`` is added.
    * All other datasets (RAF-DB, FERPlus, SFEW) have aligned images: the face is aligned by its
      five points, see :mod:`mmfer.faces.template`.

    Without a detected face, the image is processed like an image of the dataset: only by the
    pipeline. Steps that crop at a labeled box resize instead.

    Args:
        cfg (Config): The whole config.
    """

    def __init__(self, cfg: Config):
        dataset = find_test_dataset(cfg)
        steps = [dict(step) for step in dataset.get('pipeline') or ()]
        size = image_size(cfg)[0]
        crops = any(_is(step, CropFace) for step in steps)
        steps = [step for step in steps if not _is(step, *_FRAME)]
        sized = any(_is(step, Resize, ResizeEdge, ResizeFace) for step in steps)
        resize = [] if crops or sized else [dict(type='Resize', scale=size[::-1])]
        as_it_is = [*resize, *(_to_resize(step, size) for step in steps)]
        self._aligned_size = None
        self._below_forehead = True
        if crops:
            at_box = [{**step, 'source': 'box'} if _is(step, CropFace) else step for step in steps]
            scaled = any(_is(step, CropFace) and step.get('scale') for step in steps)
            self._below_forehead = not scaled or bool(dataset.get('boxes'))
        elif is_component(dataset, DATASETS, SynthFace):
            at_box = [_drawn_crop(dataset.get('crop', 'loose'), size[0]), *steps]
        else:
            self._aligned_size = max(_ALIGNED, *size)
            at_box = resize + steps
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmfer')):
            self._as_it_is = [TRANSFORMS.build(step) for step in as_it_is]
            self._found = [TRANSFORMS.build(step) for step in at_box]

    def __call__(self, image: np.ndarray, face: Face | None = None) -> Cut:
        """Cut a face.

        Args:
            image (np.ndarray): uint8 (H, W, 3) in BGR.
            face (Face, optional): A detected face. Defaults to None: the image itself is a face.

        Raises:
            NotAFaceError: The five points are not those of a face, or the image itself should be a
                face and one side is more than 8 times the other.
            ValueError: A step of the pipeline moves pixels in an unknown way.
        """
        results = dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        results['warp_matrix'] = np.eye(2, 3)
        if face is None:
            height, width = image.shape[:2]
            if max(height, width) > _THIN * min(height, width):
                raise NotAFaceError(
                    f'an image of {width}x{height} pixels is not a face: one side is more than '
                    f'{_THIN} times the other'
                )
        else:
            box = below_forehead(face.box) if self._below_forehead else face.box
            results['face_box'] = np.asarray(box, np.float32)
            if self._aligned_size is not None:
                results = _align(results, face, self._aligned_size)
        for step in self._as_it_is if face is None else self._found:
            results = _follow(step, results)
        return Cut(results['img'], results['warp_matrix'])


def _is(step: Mapping[str, Any], *classes: type) -> bool:
    return is_component(step, TRANSFORMS, *classes)


def _drawn_crop(crop: str, size: int) -> dict:
    """Return the ``CropFace`` that crops photographs like the images of SynthFace."""
    return dict(
        type='CropFace',
        kind='tight',  # has no effect, as scale and shift are given
        scale=CROPS[crop] / _FACE_UNITS,
        shift=(0.0, _UP),
        size=size,
        source='box',
    )


def _to_resize(step: dict, size: tuple[int, int]) -> dict:
    if _is(step, CropFace) and step.get('source') in ('box', 'landmarks'):
        return dict(type='ResizeFace', size=step.get('size') or size[0])
    return step


def _align(results: dict, face: Face, size: int) -> dict:
    try:
        matrix = similarity_map(face.points, face_template(size))
    except ValueError as error:
        raise NotAFaceError('the detected points are not those of a face') from error
    return put_image(results, warp(results['img'], matrix, (size, size)), matrix)


def _follow(step: BaseTransform, results: dict) -> dict:
    """Run a step, and update ``warp_matrix`` if the step does not."""
    before, matrix = np.shape(results['img'])[1::-1], results['warp_matrix']
    results = step(results)
    after = np.shape(results['img'])[1::-1]
    if after != before and results['warp_matrix'] is matrix:
        if isinstance(step, (Resize, ResizeEdge)):
            change = resize_map(before, after)
        elif isinstance(step, CenterCrop):
            change = _center_crop_map(before, after)
        else:
            raise ValueError(
                f'{type(step).__name__} of the test pipeline changes the size from '
                f'{before[0]}x{before[1]} to {after[0]}x{after[1]} pixels without updating '
                "warp_matrix; use Resize, CenterCrop, or mmfer's CropFace or ResizeFace"
            )
        results['warp_matrix'] = chain(matrix, change)
    return results


def _center_crop_map(before: tuple[int, int], after: tuple[int, int]) -> np.ndarray:
    # Rounded as in mmcv. Padding of images that are too small is on the right and at the bottom.
    x, y = (round(max(0, old - new) / 2) for old, new in zip(before, after, strict=True))
    return np.array([[1.0, 0, -x], [0, 1.0, -y]])
