# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read images from files, folders, arrays, videos and cameras.

Images are decoded lazily, one at a time. An unreadable file yields an item with an error instead of
raising.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmfer.datasets.transforms import LoadFaceImage, UnreadableImageError
from mmfer.utils.files_below import (
    VIDEO,
    install_command,
    media_below,
    media_kind,
    needed_packages,
    warn_needed,
    warn_skipped,
)
from mmfer.utils.image_header import HEAD, ImageHeaderError, check_size, is_video
from mmfer.utils.plural import plural

# Used for videos without a frame rate.
_FRAME_RATE = 25.0

_NO_FRAME = 'no frame is readable'

# A video counts as complete if it ends at most one second (for videos shorter than two seconds,
# half of the length) before this share of the length in its header, which is not exact in every
# container. Compared in seconds if they are known: with a variable frame rate, the number of frames
# in the header is a guess.
_WHOLE = 0.9


@dataclass(frozen=True)
class InputImage:
    """An image, or the reason why it cannot be read.

    Attributes:
        source (str): Path of the file, ``'camera 0'`` or ``'array 0'``.
        name (str): Relative path for output files: the path inside the input folder, else the name
            of the file.
        image (np.ndarray, optional): uint8 (H, W, 3) in BGR; None if it cannot be read.
        error (str): Why it cannot be read. Defaults to ``''``.
        frame (int, optional): Number of the frame, from 0; None for images.
        time (float, optional): Seconds since the first frame; None for images.
        frame_rate (float, optional): Yielded frames a second, the mean if it varies; None for
            images.
        live (bool): True for camera frames, which are processed one at a time. Defaults to False.
    """

    source: str
    name: str
    image: np.ndarray | None = None
    error: str = ''
    frame: int | None = None
    time: float | None = None
    frame_rate: float | None = None
    live: bool = False


def read_images(
    inputs: Any, open_video: Callable[[str | int], Any] = cv2.VideoCapture, every: int = 1
) -> Iterator[InputImage]:
    """Read images in the given order, and those of a folder in the order of their names.

    Only the first frame or page of animated images and multi-page files is read.

    Args:
        inputs (Any): The path of an image, a video, or a folder (searched recursively); a uint8
            array (H, W, 3) in BGR; a camera number; an :class:`InputImage`, which is yielded
            unchanged; or an iterable of these. File types are detected by content. The log lists
            the files of a folder that are neither images nor videos, and the HEIC and AVIF images
            that are skipped because the package to read them is not installed.
        open_video (Callable[[str | int], Any]): Returns an object with the methods of
            ``cv2.VideoCapture`` for a path or a camera number. Defaults to ``cv2.VideoCapture``.
        every (int): Yield every ``every``-th frame of videos and cameras, starting with the first.
            Defaults to 1.

    Raises:
        TypeError: An input has another type.
        ValueError: An array has another shape or dtype, or a path is a URL.
    """
    arrays = 0
    for item in [inputs] if _is_single(inputs) else inputs:
        if isinstance(item, InputImage):
            yield item
        elif isinstance(item, np.ndarray):
            yield InputImage(f'array {arrays}', f'array_{arrays}.png', _checked(item))
            arrays += 1
        elif isinstance(item, int) and not isinstance(item, bool):
            name = f'camera_{item}.mp4'
            yield from _frames(open_video(item), f'camera {item}', name, every, live=True)
        elif isinstance(item, (str, Path)):
            yield from _from_path(item, open_video, every)
        else:
            raise TypeError(
                'inputs must be paths, arrays, camera numbers, or iterables of these, not a '
                f'{type(item).__name__}'
            )


def count_images(inputs: Any, every: int = 1) -> int | None:
    """Return the number of images and frames that :func:`read_images` will yield.

    Returns:
        The number, which is approximate for videos; None if it is not known in advance.
    """
    if not _is_single(inputs) and not isinstance(inputs, (list, tuple)):
        return None
    total = 0
    for item in [inputs] if _is_single(inputs) else inputs:
        if isinstance(item, int):
            return None
        for path in (
            _listed(Path(item).expanduser())[0] if isinstance(item, (str, Path)) else [None]
        ):
            frames = 1
            if path is not None and _is_readable_video(path):
                capture = cv2.VideoCapture(_to_open(path))
                frames = max(math.ceil(capture.get(cv2.CAP_PROP_FRAME_COUNT) / every), 1)
                capture.release()
            total += frames
    return total


def _is_single(inputs: Any) -> bool:
    return isinstance(inputs, (str, Path, np.ndarray, int, InputImage))


def _checked(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f'an image must be a uint8 array (H, W, 3) in BGR, not {image.dtype} {image.shape}'
        )
    return image


def _listed(path: Path) -> tuple[list[Path], list[Path], dict[Path, str]]:
    """List the images and videos of a folder; or the path itself if it is a file.

    Returns:
        The images and videos, the other files, and the images that need a package that is not
        installed.
    """
    if not path.is_dir():
        return [path], [], {}
    found, others = media_below(path)
    packages = needed_packages(found)
    return [file for file in found if file not in packages], others, packages


def _from_path(
    path: str | Path, open_video: Callable[[str], Any], every: int
) -> Iterator[InputImage]:
    if '://' in str(path):
        raise ValueError(f'{path} is a URL; download the file first and pass its path')
    path = Path(path).expanduser()
    files, others, packages = _listed(path)
    warn_skipped(path, others)
    warn_needed(path, packages)
    if not files:
        error = 'the folder contains no image or video'
        if others:
            error += f', but {len(others)} other {plural(len(others), "file")}'
        if packages:
            install = install_command(packages.values())
            noun = 'image that needs' if len(packages) == 1 else 'images that need'
            error += f', but {len(packages)} {noun} a package: {install}'
        yield InputImage(str(path), path.name, error=error)
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        if _is_readable_video(file):
            yield from _frames(open_video(_to_open(file)), str(file), name, every)
        elif media_kind(file) == VIDEO and os.access(file, os.R_OK):
            yield InputImage(str(file), name, error=_NO_FRAME)
        else:  # also reports why a file cannot be opened
            yield _read_file(file, name)


def _is_readable_video(path: Path) -> bool:
    """Whether FFmpeg may open a file. Text files are never videos, whatever their names: FFmpeg
    would read them as playlists and open other files.
    """
    if media_kind(path) != VIDEO or not os.access(path, os.R_OK):
        return False
    with open(path, 'rb') as file:
        head = file.read(HEAD)
    return not head or is_video(head) or b'\0' in head


def _to_open(video: Path) -> str:
    """Return an absolute path: FFmpeg would read ``12:`` in ``12:30.mp4`` as a protocol."""
    return str(video.absolute())


def _read_file(path: Path, name: str) -> InputImage:
    if path.exists() and not path.is_file():
        return InputImage(str(path), name, error='it is not a file, but a pipe or a device')
    try:
        return InputImage(str(path), name, LoadFaceImage()(dict(img_path=str(path)))['img'])
    except UnreadableImageError as error:
        # Without the path, which the result has already.
        return InputImage(str(path), name, error=str(error).partition("': ")[2] or str(error))


def _frames(
    capture: Any, source: str, name: str, every: int, live: bool = False
) -> Iterator[InputImage]:
    try:
        try:
            size = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
            check_size(*(int(capture.get(side)) for side in size))
        except ImageHeaderError as error:
            yield InputImage(source, name, error=str(error))
            return
        announced = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        rate = float(announced[0]) if 0 < announced[0] < 1000 else _FRAME_RATE
        # Counted: the frame numbers of OpenCV are not exact in every container.
        number, first, reached, start = 0, 0.0, 0.0, time.monotonic()
        while True:
            there, image = capture.read()
            if not there:
                break
            reached = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000  # 0 where it is not known
            first = reached if number == 0 else first
            # With a variable frame rate, frame numbers do not give the time.
            seconds = time.monotonic() - start if live else reached - first or number / rate
            if number % every == 0:
                shown = rate / every  # of the yielded frames
                yield InputImage(source, name, image, '', number, round(seconds, 3), shown, live)
            number += 1
        if not number:
            reason = 'no such camera, or another program uses it' if live else _NO_FRAME
            yield InputImage(source, name, error=reason)
        elif not live and (reason := _missing_end(number, reached, rate, *announced)):
            yield InputImage(source, name, None, reason, number, round(seconds + 1 / rate, 3), rate)
    finally:
        capture.release()


def _missing_end(
    number: int, reached: float, rate: float, announced_rate: float, announced: float
) -> str:
    """Return an error if a video ends long before the length in its header; else an empty string.

    Args:
        number (int): Frames read.
        reached (float): Time of the last frame, seconds; 0 if unknown.
        rate (float): Frames a second used for times.
        announced_rate (float): Frames a second in the header; 0 or less if unknown.
        announced (float): Number of frames in the header.
    """
    length = announced / announced_rate if announced_rate > 0 else 0.0
    end = (reached or (number - 1) / rate) + 1 / rate
    if end >= _WHOLE * length - min(1.0, length / 2):
        return ''
    return (
        f'it ends after {number} of {announced:.0f} frames, {end:.1f} of {length:.1f} seconds: '
        'cut off or damaged'
    )
