# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Images from files, folders, arrays, videos and cameras, one after the other.

Nothing here reads ahead: an image is decoded when it is asked for, and what cannot be read is
handed on as such.
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
    warn_left_out,
    warn_needed,
)
from mmfer.utils.image_header import HEAD, ImageHeaderError, check_size, is_video

# What is said of videos that do not tell.
_FRAME_RATE = 25.0

_NO_FRAME = 'no frame is readable'

# A video may end a second (half of it, if it is shorter than two) before this share of the length
# that it announces, which is not exact in every container. Seconds, not frames, where they are
# known: where the frame rate changes the number of frames is a guess.
_WHOLE = 0.9


@dataclass(frozen=True)
class InputImage:
    """An image, or the reason why there is none.

    Attributes:
        source (str): Path of the file, ``'camera 0'`` or ``'array 0'``.
        name (str): What a file made of it is to be called: the path inside the folder that was
            named, else the name of the file.
        image (np.ndarray, optional): uint8 (H, W, 3) in BGR; None where it cannot be read.
        error (str): Why it cannot be read.
        frame (int, optional): Number of the frame, from 0; None for images.
        time (float, optional): Seconds since the first frame; None for images.
        frame_rate (float, optional): Frames a second of those of the video that are read, their
            mean where it changes; None for images.
        live (bool): Whether somebody is waiting: a camera's.
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
    """Read images, in the order given; those of a folder in that of their names.

    Of an animated image, or a file of several pages, it is the first one.

    Args:
        inputs (Any): The path of an image, a video, or a folder, which is searched with all below
            it (what they are their content tells; the log says which files of a folder are neither,
            and which HEIC and AVIF images are skipped as the package that reads them is missing);
            an array uint8 (H, W, 3) in BGR; the number of a camera; a :class:`InputImage`, which is
            handed on; or an iterable of these.
        open_video (Callable[[str | int], Any]): Makes of a path or a number what has the methods of
            ``cv2.VideoCapture``.
        every (int): Of videos and cameras every so many frames one is yielded, from the first on.
            Defaults to 1.

    Raises:
        TypeError: An input is something else.
        ValueError: An array has another shape or type, or a path is the address of a page.
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
                'images come from paths, arrays, numbers of cameras, or iterables of these; not '
                f'from a {type(item).__name__}'
            )


def count_images(inputs: Any, every: int = 1) -> int | None:
    """How many images and frames :func:`read_images` will yield, for a progress bar.

    Returns:
        The number, to which videos may not quite hold; None where it cannot be known beforehand.
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
            if path is not None and _is_film(path):
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
            f'an image is an array uint8 (H, W, 3) in BGR, not {image.dtype} {image.shape}'
        )
    return image


def _listed(path: Path) -> tuple[list[Path], list[Path], dict[Path, str]]:
    """A folder's images and videos, what is neither, and what is skipped as it needs a package;
    or the path itself, and nothing.
    """
    if not path.is_dir():
        return [path], [], {}
    found, left_out = media_below(path)
    packages = needed_packages(found)
    return [file for file in found if file not in packages], left_out, packages


def _from_path(
    path: str | Path, open_video: Callable[[str], Any], every: int
) -> Iterator[InputImage]:
    if '://' in str(path):
        raise ValueError(f'{path} is an address; download it first and name the file')
    path = Path(path).expanduser()
    files, left_out, packages = _listed(path)
    warn_left_out(path, left_out)
    warn_needed(path, packages)
    if not files:
        others = f', but {len(left_out)} other files' if left_out else ''
        if packages:
            install = install_command(packages.values())
            others += f', but {len(packages)} images that need a package: {install}'
        error = f'the folder holds no image and no video{others}'
        yield InputImage(str(path), path.name, error=error)
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        if _is_film(file):
            yield from _frames(open_video(_to_open(file)), str(file), name, every)
        elif media_kind(file) == VIDEO and os.access(file, os.R_OK):
            yield InputImage(str(file), name, error=_NO_FRAME)
        else:  # what cannot be opened says why there
            yield _read_file(file, name)


def _is_film(path: Path) -> bool:
    """Whether FFmpeg may open a file. It would follow a playlist to other files, so a text is no
    film, whatever its name.
    """
    if media_kind(path) != VIDEO or not os.access(path, os.R_OK):
        return False
    with open(path, 'rb') as file:
        head = file.read(HEAD)
    return not head or is_video(head) or b'\0' in head


def _to_open(video: Path) -> str:
    """FFmpeg takes what is before the colon of ``12:30.mp4`` for a protocol, as in ``file:``."""
    return str(video.absolute())


def _read_file(path: Path, name: str) -> InputImage:
    if path.exists() and not path.is_file():
        return InputImage(str(path), name, error='it is no file, but a pipe or a device')
    try:
        return InputImage(str(path), name, LoadFaceImage()(dict(img_path=str(path)))['img'])
    except UnreadableImageError as error:
        # The message names the file, which the result does as well.
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
        # Counted, not asked for: numbers of frames are not exact in every container.
        number, first, reached, start = 0, 0.0, 0.0, time.monotonic()
        while True:
            there, image = capture.read()
            if not there:
                break
            reached = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000  # 0 where it is not known
            first = reached if number == 0 else first
            # Where the frame rate changes, numbers do not tell the time.
            seconds = time.monotonic() - start if live else reached - first or number / rate
            if number % every == 0:
                shown = rate / every  # of those that are yielded
                yield InputImage(source, name, image, '', number, round(seconds, 3), shown, live)
            number += 1
        if not number:
            reason = 'no such camera, or another program has it' if live else _NO_FRAME
            yield InputImage(source, name, error=reason)
        elif not live and (reason := _missing_end(number, reached, rate, *announced)):
            yield InputImage(source, name, None, reason, number, round(seconds + 1 / rate, 3), rate)
    finally:
        capture.release()


def _missing_end(
    number: int, reached: float, rate: float, announced_rate: float, announced: float
) -> str:
    """Say that a video ends long before it should; empty where it does not, or tells no length.

    Args:
        number (int): Frames that were read.
        reached (float): When the last one is shown, seconds; 0 where that is not known.
        rate (float): Frames a second, as reckoned with.
        announced_rate (float): As the video says; 0 or less where it does not.
        announced (float): How many frames it says that it has.
    """
    length = announced / announced_rate if announced_rate > 0 else 0.0
    end = (reached or (number - 1) / rate) + 1 / rate
    if end >= _WHOLE * length - min(1.0, length / 2):
        return ''
    return (
        f'it ends after {number} of {announced:.0f} frames, {end:.1f} of {length:.1f} seconds: '
        'cut off or damaged'
    )
