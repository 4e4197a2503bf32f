# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from mmfer.utils.atomic_file import atomic_write, replacing
from mmfer.utils.unique_names import UniqueNames

from .draw_faces import draw_faces
from .images import InputImage
from .results import UNREADABLE, ImageResult

_QUALITY = 92  # of JPEG
_LOSSLESS = ('.png', '.bmp', '.tif', '.tiff')


class AnnotatedFiles:
    """Writes images and videos with what was found in them; a context manager.

    Images become ``.jpg``, or ``.png`` where they were lossless; videos and cameras become
    ``.mp4``. A file of a folder keeps its place in it; where two would have the same name the
    second gets ``_2``. A video has its name when it is whole.

    Args:
        folder (str | Path): Where they go.
        stage (str, optional): See :func:`.draw_faces`. Defaults to None.
    """

    def __init__(self, folder: str | Path, stage: str | None = None):
        self.folder = Path(folder)
        self.stage = stage
        self._new_name = UniqueNames()
        self._video: _Video | None = None
        self._source = ''

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self._finish_video()

    def write(self, item: InputImage, result: ImageResult) -> Path | None:
        """Draw an image or a frame.

        Returns:
            The file; None where the image is unreadable.

        Raises:
            OSError: It cannot be written.
        """
        is_frame = item.frame is not None
        if not is_frame or item.frame == 0 or item.source != self._source:
            self._finish_video()
        if result.status == UNREADABLE:
            return None
        image = draw_faces(item.image, result, self.stage)
        if not is_frame:
            lossless = PurePosixPath(item.name).suffix.lower() in _LOSSLESS
            path = self._path(item.name, '.png' if lossless else '.jpg')
            options = [] if lossless else [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
            atomic_write(path, cv2.imencode(path.suffix, image, options)[1].tobytes())
            return path
        if self._video is None:
            path = self._path(item.name, '.mp4')
            self._video = _Video(path, item.frame_rate, image.shape[1::-1])
            self._source = item.source
        self._video.write(image)
        return self._video.path

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / self._new_name(str(PurePosixPath(name).with_suffix('')), suffix)

    def _finish_video(self) -> None:
        if self._video is not None:
            self._video.close()
        self._video, self._source = None, ''


class _Video:
    """A video under a hidden name, which gets its own when it is closed."""

    def __init__(self, path: Path, frame_rate: float, size: tuple[int, int]):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.size = path, size
        codec = cv2.VideoWriter.fourcc(*'mp4v')
        with ExitStack() as stack:
            # An absolute name, as FFmpeg takes what is before a colon elsewhere for a protocol.
            self._part = stack.enter_context(replacing(path, path.suffix)).name
            self._writer = cv2.VideoWriter(self._part, codec, frame_rate, size)
            if not self._writer.isOpened():
                raise OSError(
                    f'OpenCV {cv2.__version__} cannot write {path}: its build has no MPEG-4 encoder'
                )
            self._stack = stack.pop_all()

    def write(self, image: np.ndarray) -> None:
        if image.shape[1::-1] != self.size:  # a camera that was turned
            image = cv2.resize(image, self.size)
        self._writer.write(image)

    def close(self) -> None:
        self._writer.release()
        with self._stack:
            # OpenCV says nothing of a full disk, on which the index at the end has no room.
            if not cv2.VideoCapture(self._part).isOpened():
                raise OSError(f'could not write {self.path}; is there room on the disk?')
