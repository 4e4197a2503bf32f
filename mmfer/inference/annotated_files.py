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
    """Writes annotated images and videos; a context manager.

    Images are written as ``.jpg``, or ``.png`` if they were lossless; videos and cameras as
    ``.mp4``. Files of a folder keep their relative paths. If two files get the same name, ``_2`` is
    appended to the second. A video is renamed to its final name when it is complete.

    Args:
        folder (str | Path): The output folder.
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
        """Draw a result on its image or frame and write it.

        Returns:
            The file; None if the image is unreadable.

        Raises:
            OSError: The file cannot be written.
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
    """A video with a hidden file name until it is closed."""

    def __init__(self, path: Path, frame_rate: float, size: tuple[int, int]):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.size = path, size
        codec = cv2.VideoWriter.fourcc(*'mp4v')
        with ExitStack() as stack:
            # An absolute path: FFmpeg reads the part before a colon as a protocol.
            self._part = stack.enter_context(replacing(path, path.suffix)).name
            self._writer = cv2.VideoWriter(self._part, codec, frame_rate, size)
            if not self._writer.isOpened():
                raise OSError(
                    f'OpenCV {cv2.__version__} cannot write {path}: its build has no MPEG-4 encoder'
                )
            self._stack = stack.pop_all()

    def write(self, image: np.ndarray) -> None:
        if image.shape[1::-1] != self.size:  # a camera that was rotated
            image = cv2.resize(image, self.size)
        self._writer.write(image)

    def close(self) -> None:
        self._writer.release()
        with self._stack:
            # OpenCV reports no error if the disk is full and the index at the end is missing.
            if not cv2.VideoCapture(self._part).isOpened():
                raise OSError(f'could not write {self.path}; is the disk full?')
