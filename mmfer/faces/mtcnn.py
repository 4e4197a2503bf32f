# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import cv2
import numpy as np
import torch

from .detector import MAX_SIDE, FaceDetector
from .face import Face
from .search_passes import SMALL, WHOLE, fills, search_parts

#: Without --no-deps pip replaces torch and numpy with old versions.
INSTALL = 'pip install requests tqdm && pip install --no-deps facenet-pytorch==2.6.0'

# Margin added around the image, relative to its longer side. facenet-pytorch stretches the part of
# a box inside the image to the input of its networks, which shifts points near an edge towards it:
# in portraits filled by the head, the eye error was 11 % of the distance of the eyes without the
# margin, and 3 % with it.
_MARGIN = 0.25
# For a face that fills the image: the eye error was 5 % with this, and 31 % with the margin above.
_WIDE = 0.5

# There are many candidates for small faces (below 32 pixels and a fifth of the image) and in the
# tiles of a large image, so these need a higher score. Pasted portraits of 20 to 60 pixels had
# .999 and more, ears and hair .73 to .87.
_SMALLEST = 32
_FIFTH = 0.2
_SURE = 0.9


class MTCNN(FaceDetector):
    """MTCNN (Zhang et al., 2016), which APViT's images were aligned with (section 4.1).

    The three networks are from facenet-pytorch, converted from those of the authors. They run in
    one thread, so that results do not depend on the number of cores.

    Args:
        min_size (int): Side of the smallest face to detect, in pixels of the shrunk image, 12 or
            more. Smaller values are slower. Defaults to 20.
        max_side (int, optional): See :class:`FaceDetector`. Defaults to 6144.
        device (str | torch.device): Device of the networks. Defaults to ``'cpu'``.

    Raises:
        ImportError: facenet-pytorch is not installed; the message says how to install it.
        ValueError: An argument is out of range.

    Note:
        MTCNN's coordinates start at the outer edge of the first pixel, so half a pixel is
        subtracted.
    """

    def __init__(
        self,
        min_size: int = 20,
        max_side: int | None = MAX_SIDE,
        device: str | torch.device = 'cpu',
    ):
        super().__init__(max_side)
        if not min_size >= 12:
            raise ValueError(f'MTCNN: min_size must be 12 or more pixels, not {min_size!r}')
        self.min_size = min_size
        try:
            import facenet_pytorch
        except ImportError as error:
            raise ImportError(
                'MTCNN needs the package facenet-pytorch, which contains the weights, and requests '
                f'and tqdm: {INSTALL} (without --no-deps pip replaces torch and numpy with old '
                f'versions). The import failed: {error}'
            ) from error
        self.device = torch.device(device)
        self._network = facenet_pytorch.MTCNN(
            keep_all=True, min_face_size=min_size, device=self.device
        )

    @property
    def settings(self) -> dict:
        return dict(
            type='mtcnn',
            min_size=self.min_size,
            max_side=self.max_side,
            whole=WHOLE,
            device=self.device.type,
            facenet_pytorch=version('facenet-pytorch'),
        )

    def _find(self, image: np.ndarray) -> list[Face]:
        return search_parts(image, self._search_whole, self._search_tile)

    def _search_whole(self, image: np.ndarray) -> list[Face]:
        faces = self._search(image, _MARGIN, cv2.BORDER_REPLICATE)
        if not faces or any(fills(face, *image.shape[1::-1]) for face in faces):
            faces = self._search(image, _WIDE, cv2.BORDER_CONSTANT) or faces
        return faces

    def _search_tile(self, image: np.ndarray) -> list[Face]:
        # The same margin relative to a face of SMALL pixels as for a face that fills the image.
        margin = _MARGIN * SMALL / max(image.shape[:2])
        faces = self._search(image, margin, cv2.BORDER_REPLICATE)
        return [face for face in faces if face.score >= _SURE]

    def _search(self, image: np.ndarray, margin: float, border: int) -> list[Face]:
        smallest = min(_SMALLEST, _FIFTH * min(image.shape[:2]))
        margin = round(margin * max(image.shape[:2]))
        image = cv2.copyMakeBorder(image, *[margin] * 4, border)
        try:
            with _one_thread():
                boxes, scores, points = self._network.detect(
                    np.ascontiguousarray(image[..., ::-1]), landmarks=True
                )
        except (RuntimeError, ValueError) as error:
            # Raised by facenet-pytorch if a stage has no candidate left inside the image.
            if 'non-empty list' not in str(error):
                raise
            return []
        if boxes is None:
            return []
        shift = margin + 0.5
        faces = [
            Face(np.asarray(box, np.float64) - shift, float(score), np.asarray(five, float) - shift)
            for box, score, five in zip(boxes, scores, points, strict=True)
        ]
        return [face for face in faces if face.size >= smallest or face.score >= _SURE]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch in one thread, so that the order of sums does not depend on the settings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
