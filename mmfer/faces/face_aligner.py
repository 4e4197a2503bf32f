# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfer.datasets.transforms.crop_face import below_forehead, face_square
from mmfer.datasets.transforms.face_geometry import crop_map, move_points, warp
from mmfer.datasets.transforms.face_results import check_border, check_size

from .detector import FaceDetector
from .face import Face
from .face_choice import Choice, FaceChoice
from .similarity import similarity_map
from .template import TEMPLATE_SIZE, face_template
from .whole_image import WholeImage

#: Kind of the result -> decision if there is a face.
FOUND = {'aligned': 'aligned', 'tight': 'cropped', 'loose': 'cropped', 'none': 'found'}
ALIGNED, WHOLE, REFUSED = ('aligned', 'whole', 'refused')
NO_FACE = ('refuse', 'whole')


@dataclass(frozen=True)
class Alignment:
    """Result of aligning an image.

    Attributes:
        decision (str): ``'aligned'``, ``'cropped'`` or ``'found'``, depending on the kind of the
            result; ``'whole'`` if no face was selected and the whole image was used; or
            ``'refused'`` if no face was selected and there is no result.
        reason (str): A short reason.
        num_faces (int): Number of faces with a sufficient score and size.
        face (Face, optional): The selected face, in pixels of the image; None if there is none.
        image (np.ndarray, optional): The result, uint8 (size, size, 3) in BGR; None if refused, and
            for ``kind='none'``.
        residual (float, optional): Root mean square distance of the aligned points from the
            template, in pixels of 112x112 for every size and kind. About 1 to 3 for a frontal face,
            much larger for profiles and false detections. None if no face was selected.
    """

    decision: str
    reason: str
    num_faces: int
    face: Face | None = None
    image: np.ndarray | None = None
    residual: float | None = None


class FaceAligner:
    """Detects the face of an image and cuts it out: aligned by its five points, or cropped.

    ``kind='aligned'`` moves the points to the template: the image is rotated, scaled and shifted
    (:func:`.similarity_map`), never stretched or mirrored. ``'tight'`` and ``'loose'`` crop the
    upright square of :class:`.CropFace` around the box without the forehead
    (:func:`.below_forehead`), like the faces of KT-Adapter, which are cropped by a detector and not
    aligned (section 4.1). The image is resampled once.

    Args:
        detector (FaceDetector): The face detector.
        choice (FaceChoice, optional): Rules that select one of the faces. Defaults to those of
            :class:`FaceChoice`.
        size (int): Width and height of the result, pixels. Defaults to 112.
        kind (str): ``'aligned'`` (default), ``'tight'``, ``'loose'``, or ``'none'``, which detects
            the face without cutting it out.
        no_face (str): What to do if no face is selected: ``'refuse'``, no result (default), or
            ``'whole'``, use the whole image: aligned like :class:`WholeImage`, tight and loose by
            fixed margins, like :class:`.CropFace` without a box.
        border (str): Pixels outside the image: ``'constant'`` for ``fill`` (default),
            ``'replicate'`` for the nearest pixel of the edge.
        fill (int | Sequence[int]): Gray value or BGR, 0 to 255. Defaults to 0, black.

    Raises:
        ValueError: An argument is out of range or unknown.
    """

    def __init__(
        self,
        detector: FaceDetector,
        choice: FaceChoice | None = None,
        size: int = TEMPLATE_SIZE,
        kind: str = ALIGNED,
        no_face: str = 'refuse',
        border: str = 'constant',
        fill: int | Sequence[int] = 0,
    ):
        if kind not in FOUND:
            raise ValueError(f'FaceAligner: kind must be one of {tuple(FOUND)}, not {kind!r}')
        if no_face not in NO_FACE:
            raise ValueError(f'FaceAligner: no_face must be one of {NO_FACE}, not {no_face!r}')
        self.detector = detector
        self.choice = choice or FaceChoice()
        self.size = check_size(self, size)
        self.kind = kind
        self.no_face = no_face
        self.border = border
        self.fill = check_border(self, border, fill)
        self._whole = WholeImage()

    def __call__(self, image: np.ndarray) -> Alignment:
        """Detect and cut out the face of an image, uint8 (H, W, 3) in BGR."""
        choice = self.choice(self.detector(image), image.shape[1::-1])
        if choice.face is not None:
            try:
                matrix = similarity_map(choice.face.points, face_template(self.size))
            except ValueError:
                choice = Choice(
                    None, 'the detected points are not those of a face', choice.num_faces
                )
        if choice.face is not None:
            residual = self._residual(choice.face.points, matrix)
            cut = self._cut(image, choice.face)
            decision = FOUND[self.kind]
            return Alignment(decision, choice.reason, choice.num_faces, choice.face, cut, residual)
        if self.no_face == 'whole':
            return Alignment(WHOLE, choice.reason, choice.num_faces, image=self._cut(image, None))
        return Alignment(REFUSED, choice.reason, choice.num_faces)

    def _cut(self, image: np.ndarray, face: Face | None) -> np.ndarray | None:
        if self.kind == 'none':
            return None
        if self.kind == ALIGNED:
            (face,) = [face] if face else self._whole(image)
            matrix = similarity_map(face.points, face_template(self.size))
        else:
            box = below_forehead(face.box) if face else None
            square = face_square(self.kind, box=box, image_size=image.shape[1::-1])
            matrix = crop_map(square, self.size)
        return warp(image, matrix, (self.size, self.size), self.border, self.fill)

    def _residual(self, points: np.ndarray, matrix: np.ndarray) -> float:
        offsets = move_points(points, matrix) - face_template(self.size)
        return float(np.sqrt((offsets**2).sum(axis=1).mean()) * TEMPLATE_SIZE / self.size)
