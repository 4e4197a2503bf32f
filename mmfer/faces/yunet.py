# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from mmfer.datasets.transforms.face_geometry import chain
from mmfer.utils.file_digest import file_digest

from .detector import MAX_SIDE, FaceDetector, move_face, shrink
from .face import Face
from .search_passes import BORDER, COARSER, WHOLE, fills, plan_passes, search_parts

#: Published model files by their sha256.
YUNET_FILES = {
    '104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12': 'yunet_n_dynamic.onnx',
    '81dbde155e982455488235acb8ec2dec5d647edf7cf7080d33e4abb69b93a0d2': 'yunet_n_320_320.onnx',
    '8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4': (
        'face_detection_yunet_2023mar.onnx'
    ),
}

_WHERE = 'docs/alignment.md says where to get published files'
_ABOUT = 0.1  # largest difference of similar scores
_OVERLAP = 0.3  # IoU threshold of the non-maximum suppression; the value of OpenCV's sample


class YuNet(FaceDetector):
    """YuNet (Wu, Peng and Yu, *YuNet: A Tiny Millisecond-level Face Detector*, 2023) in OpenCV.

    It detects faces of about 10 to 320 pixels, and parts of larger faces as faces. Therefore it
    runs on the image at several sizes (:mod:`.search_passes`). Nothing is downloaded.

    Args:
        model (str | Path): The ONNX file.
        sha256 (str, optional): Expected sha256 of the file, in hexadecimal digits; needed if it is
            not one of :data:`YUNET_FILES`. Defaults to any of those.
        score_floor (float): Faces with lower scores are dropped, in (0, 1). Defaults to 0.3.
        max_side (int, optional): See :class:`FaceDetector`. After shrinking, faces below 10 pixels
            are not detected; the cost grows with the square. Defaults to 6144: a photograph of 24
            megapixels at full size.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file has another sha256, OpenCV cannot read it, or an argument is out of
            range.
        ImportError: OpenCV is older than 4.5.4.

    Note:
        Threads may share a detector; they wait for each other.

    Note:
        The network's coordinates start at the outer edge of the first pixel, so half a pixel is
        subtracted.
    """

    def __init__(
        self,
        model: str | Path,
        sha256: str | None = None,
        score_floor: float = 0.3,
        max_side: int | None = MAX_SIDE,
    ):
        super().__init__(max_side)
        if not 0 < score_floor < 1:
            raise ValueError(f'YuNet: score_floor must be in (0, 1), not {score_floor!r}')
        if not hasattr(cv2, 'FaceDetectorYN'):
            raise ImportError(
                f'YuNet needs OpenCV 4.5.4 or newer, this is {cv2.__version__}: '
                "pip install 'opencv-python>=4.8'"
            )
        self.score_floor = score_floor
        self._lock = Lock()  # the network stores the size of the current image
        self.sha256 = _check_file(Path(model), sha256)
        try:
            self._network = cv2.FaceDetectorYN.create(
                str(model), '', (320, 320), score_floor, _OVERLAP
            )
        except cv2.error as error:
            raise ValueError(
                f"YuNet: OpenCV {cv2.__version__} cannot read '{model}' (the dynamic file needs "
                f'OpenCV 5; yunet_n_320_320.onnx finds the same with any version): {error}'
            ) from error

    @property
    def settings(self) -> dict:
        return dict(
            type='yunet',
            sha256=self.sha256,
            score_floor=self.score_floor,
            max_side=self.max_side,
            whole=WHOLE,
            coarser=' '.join(map(str, COARSER)),
            opencv=cv2.__version__,
        )

    def _find(self, image: np.ndarray) -> list[Face]:
        return search_parts(image, self._search_whole, self._search)

    def _search_whole(self, image: np.ndarray) -> list[Face]:
        longer, found = max(image.shape[:2]), []
        for side, largest in plan_passes(longer):
            seen, back = shrink(image, side) if side < longer else (image, np.eye(2, 3))
            faces = [face for face in self._search(seen) if face.size <= largest]
            found += [move_face(face, back) for face in faces]
        # `faces` are those of the last pass, to which the others leave such large faces.
        if not found or any(fills(face, *seen.shape[1::-1]) for face in faces):
            best = max((face.score for face in faces), default=0)
            side = min(longer, COARSER[-1])
            seen, back = shrink(image, side) if side < longer else (image, np.eye(2, 3))
            border = math.ceil(BORDER * side)
            seen = cv2.copyMakeBorder(seen, *[border] * 4, cv2.BORDER_CONSTANT)
            back = chain(np.array([[1, 0, -border], [0, 1, -border]], float), back)
            again = self._search(seen)
            # With the border, points are more accurate at a similar score. Faces of the last pass
            # are kept if the new scores are lower.
            if max((face.score for face in again), default=0) >= best - _ABOUT:
                del found[len(found) - len(faces) :]
            found += [move_face(face, back) for face in again]
        return found

    def _search(self, image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        with self._lock:
            self._network.setInputSize((width, height))
            _, rows = self._network.detect(image)
        # A row: x, y, width, height, five points, score. OpenCV's right eye is the person's right,
        # the viewer's left, so the order is the same as ours.
        return [] if rows is None else [_to_face(row) for row in rows.astype(np.float64)]


def _to_face(row: np.ndarray) -> Face:
    corner, size, points = row[:2], row[2:4], row[4:14].reshape(5, 2)
    box = np.concatenate([corner, corner + size])
    return Face(box - 0.5, float(row[14]), points - 0.5)


def _check_file(path: Path, expected: str | None) -> str:
    """Check the sha256 of a model file and return it."""
    if not path.is_file():
        raise FileNotFoundError(f"YuNet: there is no model file '{path}'; {_WHERE}")
    found = file_digest(path)
    if expected is not None and found != expected.lower():
        raise ValueError(
            f"YuNet: '{path}' has the sha256 {found}, not the expected {expected.lower()}; "
            'it is another file or was damaged in transfer'
        )
    if expected is None and found not in YUNET_FILES:
        known = ''.join(f'\n  {sha256}  {name}' for sha256, name in YUNET_FILES.items())
        raise ValueError(
            f"YuNet: '{path}' is not one of the published files, its sha256 is {found}. If you "
            'trust it, pass this value: sha256=... (--detector-sha256, align_faces.py: '
            f'--model-sha256). {_WHERE}. Known files:{known}'
        )
    return found
