# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio

from mmfer.registry import TRANSFORMS

from .annotation_check import PIXEL_KEYS, AnnotationError, misplacement, turn_problem

_JPEG_START, _JPEG_SCAN, _JPEG_END = b'\xff\xd8', 0xDA, b'\xff\xd9'
_PNG_START, _PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND\xaeB`\x82'

# Whose images mmcv turns as their EXIF orientation says.
_TURNED, _TURNING = ('color', 'grayscale'), ('cv2', 'pillow')


class UnreadableImageError(OSError):
    """An image file cannot be opened, is cut off, or is no image. The message names the file.

    It takes one string, so that a data loader's worker process can hand it on unchanged.
    """


def is_truncated(content: bytes) -> bool:
    """Whether a JPEG or PNG file ends too early.

    Decoders need not tell: OpenCV 4 fills the missing rows of a JPEG with grey and reports success,
    OpenCV 5 gives no reason. Both formats close with a fixed marker. Thumbnails inside a JPEG's
    header have such a marker as well, hence it is looked for behind the start of the first scan
    only. Bytes after the end are allowed, some cameras write them.

    Args:
        content: The whole file.

    Returns:
        True where a JPEG or PNG lacks its end; False for whole files and for all other formats.
    """
    if content.startswith(_PNG_START):
        return _PNG_END not in content
    if content.startswith(_JPEG_START):
        return content.rfind(_JPEG_END, _first_scan(content)) < 0
    return False


def _first_scan(jpeg: bytes) -> int:
    """Position of the first start-of-scan marker, or the length where there is none."""
    position = 2
    while position + 4 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker == _JPEG_SCAN:
            return position
        if marker == 0xFF:  # a fill byte
            position += 1
        else:
            position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], 'big')
    return len(jpeg)


@TRANSFORMS.register_module()
class LoadFaceImage(LoadImageFromFile):
    """Read an image and refuse what is not one, with the file's name and the reason.

    mmcv's ``LoadImageFromFile`` differs: with OpenCV 4 a truncated JPEG passes there as a picture
    whose lower part is grey, and most errors do not say which file they are about.

    A sample's box and points are checked against the image, as this is where they meet: those that
    are for another one are refused, too, and all of an image that is turned when it is read, by its
    EXIF orientation, as they may be for the image before that. ``'color_ignore_orientation'`` does
    not turn it.

    Required key: ``img_path``. Used if there: ``face_box`` (4,), ``gt_landmarks`` (N, 2).
    Added keys: ``img`` (H, W, 3) uint8 in BGR, ``img_shape`` and ``ori_shape`` (H, W).

    Args:
        color_type: Flag of :func:`mmcv.imfrombytes`. ``'color'`` turns grey images into three equal
            channels and obeys the EXIF orientation. Default ``'color'``.
        imdecode_backend: Decoder of :func:`mmcv.imfrombytes`. Default ``'cv2'``.
        backend_args: Where files are read from, see :func:`mmengine.fileio.get`. Default: by path.

    Raises:
        UnreadableImageError: The file is missing, a folder, empty, truncated or not an image.
        AnnotationError: The box or the points cannot be about it, see
            :func:`.annotation_check.misplacement`.
    """

    def __init__(
        self,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        backend_args: dict | None = None,
    ):
        super().__init__(
            color_type=color_type, imdecode_backend=imdecode_backend, backend_args=backend_args
        )

    def transform(self, results: dict) -> dict:
        path = results['img_path']
        content = self._read(path)
        image = self._decode(content, path)
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        if any(results.get(key) is not None for key in PIXEL_KEYS):
            wrong = misplacement(results, image.shape[1::-1])
            if not wrong and self.color_type in _TURNED and self.imdecode_backend in _TURNING:
                wrong = turn_problem(content)
            if wrong:
                raise AnnotationError(f"cannot use the annotation of image '{path}': {wrong}")
        return results

    def _read(self, path: str) -> bytes:
        try:
            return fileio.get(path, backend_args=self.backend_args)
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from error

    def _decode(self, content: bytes, path: str) -> np.ndarray:
        if not content:
            raise _unreadable(path, 'the file is empty')
        if is_truncated(content):
            raise _unreadable(path, f'the file is truncated, it ends after {len(content)} bytes')
        try:
            image = mmcv.imfrombytes(content, flag=self.color_type, backend=self.imdecode_backend)
        except (OSError, cv2.error) as error:
            raise _unreadable(path, str(error)) from error
        if image is None:
            raise _unreadable(
                path,
                'it is damaged, or of a format that the '
                f'{self.imdecode_backend} decoder does not know',
            )
        return image


def _unreadable(path: str, reason: str) -> UnreadableImageError:
    return UnreadableImageError(f"cannot read image '{path}': {reason}")
