# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from PIL import ImageOps

from mmfer.registry import TRANSFORMS
from mmfer.utils.image_header import ImageHeaderError, check_image, scan_jpeg
from mmfer.utils.image_plug_ins import open_by_plug_in, opencv_reads_avif

from .annotation_check import PIXEL_KEYS, AnnotationError, misplacement, turn_problem

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_PNG_START, _PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND\xaeB`\x82'

# Color types and backends with which mmcv applies the EXIF orientation.
_TURNED, _TURNING = ('color', 'grayscale'), ('cv2', 'pillow')


class UnreadableImageError(OSError):
    """An image file cannot be opened, is truncated, or is not an image. The message names the file.

    The only argument is one string, so that a data loader worker can pass the error on unchanged.
    """


def is_truncated(content: bytes) -> bool:
    """Whether a JPEG or PNG file ends too early.

    Decoders may not report it: OpenCV 4 fills the missing rows of a JPEG with gray and reports
    success, OpenCV 5 gives no reason. Both formats end with a fixed marker. Thumbnails in a JPEG's
    header have this marker as well, so only the data after the start of the first scan is searched.
    Bytes after the end are allowed, because some cameras write them.

    Args:
        content (bytes): The whole file.

    Returns:
        True if a JPEG or PNG lacks its end; False for whole files and for all other formats.
    """
    if content.startswith(_PNG_START):
        return _PNG_END not in content
    if content.startswith(_JPEG_START):
        return content.rfind(_JPEG_END, scan_jpeg(content)[0]) < 0
    return False


def to_8_bits(image: np.ndarray) -> np.ndarray:
    """Convert uint16 to uint8 by the bits in use.

    These are 8, 10, 12, 14 or 16 bits, the fewest that can hold the brightest pixel. Cameras store
    10 to 14 bits in 16, which would be nearly black otherwise.
    """
    brightest = int(image.max(initial=0))
    unused = next(bits for bits in (0, 2, 4, 6, 8) if brightest < 256 << bits)
    return (image >> unused).astype(np.uint8)


def decode_image(
    content: bytes,
    color_type: str = 'color',
    imdecode_backend: str = 'cv2',
    max_pixels: int | None = None,
) -> np.ndarray:
    """Decode the content of an image file; all code that reads images uses this function.

    Args:
        content (bytes): The whole file.
        color_type (str): See :class:`LoadFaceImage`. Defaults to ``'color'``.
        imdecode_backend (str): See :class:`LoadFaceImage`. Defaults to ``'cv2'``.
        max_pixels (int, optional): See :class:`LoadFaceImage`.

    Returns:
        uint8 (H, W, 3) in BGR, or the format of ``color_type``.

    Raises:
        ImageHeaderError: The file is empty, truncated, too large, damaged or not an image. The
            message tells which.
    """
    if not content:
        raise ImageHeaderError('the file is empty')
    if is_truncated(content):
        raise ImageHeaderError(f'the file is truncated, it ends after {len(content)} bytes')
    name = check_image(content, max_pixels).format
    if name == 'HEIC' or (name == 'AVIF' and not opencv_reads_avif()):
        return _decode_by_plug_in(content, name, color_type)
    try:
        if (color_type, imdecode_backend) == ('color', 'cv2'):
            # Same as mmcv, except for 16-bit images, of which mmcv would keep the upper 8 bits.
            flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
            image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        else:
            image = mmcv.imfrombytes(content, flag=color_type, backend=imdecode_backend)
    except (OSError, cv2.error) as error:
        raise ImageHeaderError(str(error)) from error
    if image is None:
        raise ImageHeaderError(
            f'it is damaged, or in a format that the {imdecode_backend} decoder does not support'
        )
    if image.dtype == np.uint16:
        return to_8_bits(image)
    if image.dtype != np.uint8:
        raise ImageHeaderError(f'its pixels are {image.dtype}; only 8 and 16 bits are supported')
    return image


def _decode_by_plug_in(content: bytes, name: str, color_type: str) -> np.ndarray:
    """Decode formats that OpenCV and mmcv do not support; transparency is dropped."""
    try:
        with open_by_plug_in(content, name) as image:
            turned = ImageOps.exif_transpose(image) if color_type in _TURNED else image
            rgb = np.asarray(turned.convert('RGB'))
    except Exception as error:  # plug-ins raise various errors for damaged files
        raise ImageHeaderError(f'it is damaged: {error}') from error
    gray = color_type.startswith('grayscale')
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY if gray else cv2.COLOR_RGB2BGR)


@TRANSFORMS.register_module()
class LoadFaceImage(LoadImageFromFile):
    """Load an image; errors name the file and the reason.

    In contrast, mmcv's ``LoadImageFromFile`` with OpenCV 4 loads a truncated JPEG as an image whose
    lower part is gray, and most of its errors do not name the file.

    Format and size are read from the header first, so a small file that would decode to a huge
    image takes no memory. 16-bit images are converted to 8 bits by :func:`to_8_bits`. With every
    backend, HEIC needs the package ``pillow-heif``, and AVIF needs Pillow 11.3 if OpenCV has no
    AVIF support.

    The box and points of a sample are checked against the image. They raise an error if they cannot
    belong to it, or if the image is rotated by its EXIF orientation, because they may be for the
    image before that. ``'color_ignore_orientation'`` does not rotate it.

    Required key: ``img_path``. Optional keys: ``face_box`` (4,), ``gt_landmarks`` (N, 2), and
    ``pixels_as_read``, True if these are known to be for the image after rotation. Added keys:
    ``img`` (H, W, 3) uint8 in BGR, ``img_shape`` and ``ori_shape`` (H, W).

    Args:
        color_type (str): Flag of :func:`mmcv.imfrombytes`. ``'color'`` converts gray images to
            three equal channels and applies the EXIF orientation. Defaults to ``'color'``.
        imdecode_backend (str): Decoder of :func:`mmcv.imfrombytes`. Defaults to ``'cv2'``.
        backend_args (dict, optional): Storage backend of the files, see
            :func:`mmengine.fileio.get`. Defaults to None, selected by the path.
        max_pixels (int, optional): Width times height of the largest image that is decoded.
            Defaults to the environment variable ``MMFER_MAX_PIXELS``, or 178,956,970 if it is not
            set.

    Raises:
        UnreadableImageError: The file is missing, a folder, empty, truncated, too large or not an
            image.
        AnnotationError: The box or the points cannot belong to the image, see
            :func:`.annotation_check.misplacement`.
    """

    def __init__(
        self,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        backend_args: dict | None = None,
        max_pixels: int | None = None,
    ):
        super().__init__(
            color_type=color_type, imdecode_backend=imdecode_backend, backend_args=backend_args
        )
        if max_pixels is not None and not max_pixels >= 1:
            raise ValueError(f'LoadFaceImage: max_pixels must be 1 or more, not {max_pixels!r}')
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict:
        path = results['img_path']
        content = self._read(path)
        image = self._decode(content, path)
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        if any(results.get(key) is not None for key in PIXEL_KEYS):
            wrong = misplacement(results, image.shape[1::-1])
            turns = self.color_type in _TURNED and self.imdecode_backend in _TURNING
            if not wrong and turns and not results.get('pixels_as_read'):
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
        try:
            return decode_image(content, self.color_type, self.imdecode_backend, self.max_pixels)
        except ImageHeaderError as error:
            raise _unreadable(path, str(error)) from error


def _unreadable(path: str, reason: str) -> UnreadableImageError:
    return UnreadableImageError(f"cannot read image '{path}': {reason}")
