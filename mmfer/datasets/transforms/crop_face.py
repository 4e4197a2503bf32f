# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmcv.transforms import BaseTransform

from mmfer.registry import TRANSFORMS

from .annotation_check import AnnotationError
from .face_geometry import Square, bounding_box, crop_map, image_box, warp, whole_pixels, widen
from .face_results import check_border, check_size, put_image

SOURCES = ('auto', 'landmarks', 'box', 'image')


class Crop(NamedTuple):
    """Extent of a crop, in units of the longer side of its reference box."""

    scale: float  #: Side of the square.
    shift: tuple[float, float]  #: Displacement of its center; negative y is up.


#: Crops around a face box from the brows to the chin and from ear to ear, which is the bounding box
#: of landmarks. 'tight' keeps every landmark inside with the default ``RandomCropFace``, 'loose'
#: extends above the top of the head.
FACE_CROPS = {'tight': Crop(1.35, (0.0, -0.04)), 'loose': Crop(1.8, (0.0, -0.2))}

#: Crops of an image that shows a head and little else: all of it, or the part from the forehead to
#: the chin, which is closer to the lower edge.
IMAGE_CROPS = {'tight': Crop(0.8, (0.0, 0.06)), 'loose': Crop(1.0, (0.0, 0.0))}

#: Height of the forehead as a share of a detected box. Detectors that are trained on WIDER FACE
#: include the forehead. In 106 portraits with WFLW's landmarks it is 0.168 of the height of YuNet's
#: boxes (standard deviation 0.05), and the other edges agree to 0.01; for MTCNN it is 0.254 (0.03),
#: and 0.02.
FOREHEAD = 1 / 6


def below_forehead(box: np.ndarray) -> np.ndarray:
    """Return a detector's box (4,) without the forehead, as :data:`FACE_CROPS` require it."""
    x1, y1, x2, y2 = box
    return np.array([x1, y1 + FOREHEAD * (y2 - y1), x2, y2], np.float32)


def face_square(
    kind: str,
    *,
    landmarks: np.ndarray | None = None,
    box: np.ndarray | None = None,
    image_size: tuple[int, int] | None = None,
    scale: float | None = None,
    shift: tuple[float, float] | None = None,
) -> Square:
    """Return the square to crop, from the first given of ``landmarks``, ``box`` and ``image_size``.

    Args:
        kind (str): ``'tight'`` or ``'loose'``.
        landmarks (np.ndarray, optional): Points of the face, (N, 2) pixels.
        box (np.ndarray, optional): x1, y1, x2, y2 of the face, (4,) pixels.
        image_size (tuple[int, int], optional): Width and height of an image that shows one head.
        scale (float, optional): Side of the square in units of the longer side of the reference
            box. Defaults to None, the value in :data:`FACE_CROPS` or :data:`IMAGE_CROPS`.
        shift (tuple[float, float], optional): Displacement of its center in the same unit. Defaults
            to None, the value in these tables.

    Returns:
        The square in pixels of the image; it may extend beyond the image.

    Raises:
        ValueError: All three are None.
        AnnotationError: The face has no extent.
    """
    if landmarks is not None:
        box = bounding_box(landmarks)
    if box is not None:
        crop = FACE_CROPS[kind]
    elif image_size is not None:
        crop, box = IMAGE_CROPS[kind], image_box(*image_size)
    else:
        raise ValueError('face_square needs landmarks, a box or the size of the image')
    square = widen(
        box, crop.scale if scale is None else scale, crop.shift if shift is None else shift
    )
    if not (np.isfinite(square).all() and square.side > 0):
        raise AnnotationError(f'a face with the box {np.asarray(box).tolist()} has no extent')
    return square


@TRANSFORMS.register_module()
class CropFace(BaseTransform):
    """Crop a square around a face.

    KT-Adapter, section 4.1: the crop is *loose* (face and hair) for age and recognition, *tight*
    (the face) for landmarks and expression; faces are not aligned. The paper gives no numbers; ours
    are :data:`FACE_CROPS` and :data:`IMAGE_CROPS`.

    Required key: ``img``, (H, W, 3) uint8. Optional keys: ``gt_landmarks`` (N, 2), ``face_box``
    (4,). Modified keys: these three, and ``img_shape``, ``warp_matrix`` (:func:`.put_image`).

    Args:
        kind (str): ``'tight'`` or ``'loose'``.
        size (int, optional): Width and height of the result in pixels. Defaults to None, no
            resampling: the size of the square, rounded to whole pixels.
        scale (float, optional): Side of the square, in units of the longer side of its reference
            (the bounding box of the landmarks, the face box, the image). Defaults to None, the
            value of the kind.
        shift (Sequence[float], optional): Displacement (x, y) of its center in the same unit,
            negative y is up. Defaults to None, the value of the kind.
        source (str): Reference of the square: ``'landmarks'``, ``'box'``, ``'image'``, or
            ``'auto'`` for the first of them that the sample has. ``'image'`` is for images that
            show a head and little else. Defaults to ``'auto'``.
        border (str): Pixels outside of the image: ``'constant'`` for ``fill``, ``'replicate'`` for
            the nearest edge pixel. Defaults to ``'constant'``.
        fill (int | Sequence[int]): Gray value or BGR, 0 to 255. Defaults to 0, black.

    Raises:
        ValueError: An argument is wrong, or the sample, which the message names, lacks the
            ``source``.
        AnnotationError: The face has no extent. The message names the image.
    """

    def __init__(
        self,
        kind: str,
        size: int | None = None,
        scale: float | None = None,
        shift: Sequence[float] | None = None,
        source: str = 'auto',
        border: str = 'constant',
        fill: int | Sequence[int] = 0,
    ):
        name = type(self).__name__
        if kind not in FACE_CROPS:
            raise ValueError(f'{name}: kind must be one of {tuple(FACE_CROPS)}, not {kind!r}')
        if source not in SOURCES:
            raise ValueError(f'{name}: source must be one of {SOURCES}, not {source!r}')
        if scale is not None and not 0 < scale < np.inf:
            raise ValueError(f'{name}: scale must be above 0, not {scale!r}')
        if shift is not None and (len(shift) != 2 or not np.isfinite(shift).all()):
            raise ValueError(f'{name}: shift must be two numbers (x, y), not {shift!r}')
        self.kind = kind
        self.size = None if size is None else check_size(self, size)
        self.scale = scale
        self.shift = None if shift is None else tuple(shift)
        self.source = source
        self.border = border
        self.fill = check_border(self, border, fill)

    def square(self, results: dict) -> Square:
        """Return the square to crop for a sample."""
        height, width = results['img'].shape[:2]
        known = {
            'landmarks': results.get('gt_landmarks'),
            'box': results.get('face_box'),
            'image_size': (width, height),
        }
        if self.source == 'image':
            known = {'image_size': known['image_size']}
        elif self.source != 'auto':
            known = {self.source: known[self.source]}
        try:
            return face_square(self.kind, **known, scale=self.scale, shift=self.shift)
        except ValueError as error:
            raise type(error)(
                f'{type(self).__name__}(source={self.source!r}) cannot crop '
                f'{results.get("img_path", "an image")!r} with the keys {sorted(results)}: {error}'
            ) from error

    def transform(self, results: dict) -> dict:
        square = self.square(results)
        if self.size is None:
            square = whole_pixels(square)
        return self._cut(results, square, self.size or int(square.side))

    def _cut(self, results: dict, square: Square, size: int, angle: float = 0.0) -> dict:
        matrix = crop_map(square, size, angle)
        image = warp(results['img'], matrix, (size, size), self.border, self.fill)
        return put_image(results, image, matrix)

    def __repr__(self) -> str:
        settings = ', '.join(f'{key}={value!r}' for key, value in vars(self).items())
        return f'{type(self).__name__}({settings})'
