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

# Whose images mmcv turns as their EXIF orientation says.
_TURNED, _TURNING = ('color', 'grayscale'), ('cv2', 'pillow')


class UnreadableImageError(OSError):
    """An image file cannot be opened, is cut off, or is no image. The message names the file.

    It takes one string, so that a data loader's worker process can hand it on unchanged.
    """


def is_truncated(content: bytes) -> bool:
    """Whether a JPEG or PNG file ends too early.

    Decoders need not tell: OpenCV 4 fills the missing rows of a JPEG with gray and reports success,
    OpenCV 5 gives no reason. Both formats close with a fixed marker. Thumbnails inside a JPEG's
    header have such a marker as well, hence it is looked for behind the start of the first scan
    only. Bytes after the end are allowed, some cameras write them.

    Args:
        content (bytes): The whole file.

    Returns:
        True where a JPEG or PNG lacks its end; False for whole files and for all other formats.
    """
    if content.startswith(_PNG_START):
        return _PNG_END not in content
    if content.startswith(_JPEG_START):
        return content.rfind(_JPEG_END, scan_jpeg(content)[0]) < 0
    return False


def to_8_bits(image: np.ndarray) -> np.ndarray:
    """Make uint8 of uint16 by the bits that are in use: 8, 10, 12, 14 or 16, whichever first hold
    the brightest pixel. Cameras store 10 to 14 bits in 16, which would be nearly black otherwise.
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
    """Decode the content of an image file; every reader of images comes here.

    Args:
        content (bytes): The whole file.
        color_type (str): See :class:`LoadFaceImage`, as the others.
        imdecode_backend (str): See there.
        max_pixels (int, optional): See there.

    Returns:
        uint8 (H, W, 3) in BGR, or what ``color_type`` says.

    Raises:
        ImageHeaderError: It is empty, truncated, too large, damaged or no image; says which.
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
            # As mmcv does, but for images of 16 bits, of which that would take the upper 8.
            flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
            image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        else:
            image = mmcv.imfrombytes(content, flag=color_type, backend=imdecode_backend)
    except (OSError, cv2.error) as error:
        raise ImageHeaderError(str(error)) from error
    if image is None:
        raise ImageHeaderError(
            f'it is damaged, or of a format that the {imdecode_backend} decoder does not know'
        )
    if image.dtype == np.uint16:
        return to_8_bits(image)
    if image.dtype != np.uint8:
        raise ImageHeaderError(f'its pixels are {image.dtype}; 8 and 16 bits are read')
    return image


def _decode_by_plug_in(content: bytes, name: str, color_type: str) -> np.ndarray:
    """Decode what neither OpenCV nor mmcv knows; transparency is dropped."""
    try:
        with open_by_plug_in(content, name) as image:
            turned = ImageOps.exif_transpose(image) if color_type in _TURNED else image
            rgb = np.asarray(turned.convert('RGB'))
    except Exception as error:  # whatever a plug-in makes of a damaged file
        raise ImageHeaderError(f'it is damaged: {error}') from error
    gray = color_type.startswith('grayscale')
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY if gray else cv2.COLOR_RGB2BGR)


@TRANSFORMS.register_module()
class LoadFaceImage(LoadImageFromFile):
    """Read an image and refuse what is not one, with the file's name and the reason.

    mmcv's ``LoadImageFromFile`` differs: with OpenCV 4 a truncated JPEG passes there as an image
    whose lower part is gray, and most errors do not say which file they are about.

    Format and size are read from the header first: a small file that would unfold to a huge image
    takes no memory. Images of 16 bits become 8 as :func:`to_8_bits` says. HEIC needs the package
    ``pillow-heif``, and AVIF Pillow 11.3 where OpenCV has no AVIF; whatever the backend is.

    A sample's box and points are checked against the image, as this is where they meet: those that
    are for another one are refused, too, and all of an image that is turned when it is read, by its
    EXIF orientation, as they may be for the image before that. ``'color_ignore_orientation'`` does
    not turn it.

    Required key: ``img_path``. Used if there: ``face_box`` (4,), ``gt_landmarks`` (N, 2), and
    ``pixels_as_read``, True where these are known to be for the image as it is read, turned.
    Added keys: ``img`` (H, W, 3) uint8 in BGR, ``img_shape`` and ``ori_shape`` (H, W).

    Args:
        color_type (str): Flag of :func:`mmcv.imfrombytes`. ``'color'`` turns gray images into three
            equal channels and obeys the EXIF orientation. Defaults to ``'color'``.
        imdecode_backend (str): Decoder of :func:`mmcv.imfrombytes`. Defaults to ``'cv2'``.
        backend_args (dict, optional): Where files are read from, see :func:`mmengine.fileio.get`.
            Default: by path.
        max_pixels (int, optional): Width times height of the largest image that is decoded.
            Defaults to what the environment variable ``MMFER_MAX_PIXELS`` says, else 178,956,970.

    Raises:
        UnreadableImageError: The file is missing, a folder, empty, truncated, too large or not an
            image.
        AnnotationError: The box or the points cannot be about it, see
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
