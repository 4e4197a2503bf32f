# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfer.datasets.transforms.face_geometry import move_points, warp
from mmfer.datasets.transforms.face_results import check_border, check_size

from .detector import FaceDetector
from .face import Face
from .face_choice import Choice, FaceChoice
from .similarity import similarity_map
from .template import TEMPLATE_SIZE, face_template
from .whole_picture import WholePicture

ALIGNED, WHOLE, REFUSED = ('aligned', 'whole', 'refused')
NO_FACE = ('refuse', 'whole')


@dataclass(frozen=True)
class Alignment:
    """What became of a picture.

    Attributes:
        decision: ``'aligned'``; ``'whole'``, no face counted and the whole picture was taken; or
            ``'refused'``, no face counted and there is no result.
        reason: In a few words.
        num_faces: Faces that were good and large enough.
        face: The face that was aligned, in pixels of the picture; None where no face counted.
        image: The result, uint8 (size, size, 3) in BGR; None if refused.
        residual: Root mean square distance of the aligned points from the template, in pixels of
            112x112 whatever the size. About 1 to 3 for a frontal face, far more for profiles and
            for what is no face. None where no face counted.
    """

    decision: str
    reason: str
    num_faces: int
    face: Face | None = None
    image: np.ndarray | None = None
    residual: float | None = None


class FaceAligner:
    """Finds the face of a picture and brings its five points to the template.

    The picture is turned, zoomed and shifted (:func:`.similarity_map`), never stretched or
    mirrored, and resampled once.

    Args:
        detector: Finds faces.
        choice: Rules by which one of them is chosen. Default: those of :class:`FaceChoice`.
        size: Width and height of the result, pixels. Default 112.
        no_face: What happens to a picture in which no face counts: ``'refuse'``, no result
            (default), or ``'whole'``, as :class:`WholePicture` does.
        border: What lies outside the picture: ``'constant'`` for ``fill`` (default),
            ``'replicate'`` for the nearest pixel of its edge.
        fill: Grey value or BGR, 0 to 255. Default 0, black.

    Raises:
        ValueError: An argument is wrong.
    """

    def __init__(
        self,
        detector: FaceDetector,
        choice: FaceChoice | None = None,
        size: int = TEMPLATE_SIZE,
        no_face: str = 'refuse',
        border: str = 'constant',
        fill: int | Sequence[int] = 0,
    ):
        if no_face not in NO_FACE:
            raise ValueError(f'FaceAligner: no_face must be one of {NO_FACE}, not {no_face!r}')
        self.detector = detector
        self.choice = choice or FaceChoice()
        self.size = check_size(self, size)
        self.no_face = no_face
        self.border = border
        self.fill = check_border(self, border, fill)
        self._whole = WholePicture()

    def __call__(self, image: np.ndarray) -> Alignment:
        """Align a picture, uint8 (H, W, 3) in BGR."""
        choice = self.choice(self.detector(image), image.shape[1::-1])
        if choice.face is not None:
            try:
                matrix = similarity_map(choice.face.points, face_template(self.size))
            except ValueError:
                choice = Choice(None, 'the points found are those of no face', choice.num_faces)
        if choice.face is not None:
            image, residual = self._warp(image, matrix), self._residual(choice.face.points, matrix)
            return Alignment(ALIGNED, choice.reason, choice.num_faces, choice.face, image, residual)
        if self.no_face == 'whole':
            (whole,) = self._whole(image)
            image = self._warp(image, similarity_map(whole.points, face_template(self.size)))
            return Alignment(WHOLE, choice.reason, choice.num_faces, image=image)
        return Alignment(REFUSED, choice.reason, choice.num_faces)

    def _warp(self, image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return warp(image, matrix, (self.size, self.size), self.border, self.fill)

    def _residual(self, points: np.ndarray, matrix: np.ndarray) -> float:
        beside = move_points(points, matrix) - face_template(self.size)
        return float(np.sqrt((beside**2).sum(axis=1).mean()) * TEMPLATE_SIZE / self.size)
