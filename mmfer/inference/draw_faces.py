# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw faces and their predictions on images and frames of videos."""

from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmfer.datasets.transforms.face_geometry import (
    box_corners,
    image_box,
    invert,
    move_points,
)
from mmfer.visualization.pooling import keep_mask

from .results import FaceResult, ImageResult

_INK, _PAPER = (38, 38, 38), (255, 255, 255)  # of labels, BGR
_RIM = (0, 0, 0)
# Sky blue, orange, yellow, pink, green, vermillion, blue of Okabe and Ito, in BGR: distinguishable
# with all common types of color blindness, and light enough to contrast with their dark rim, which
# separates them from bright images.
_COLORS = (
    (233, 180, 86),
    (0, 159, 230),
    (66, 228, 240),
    (167, 121, 204),
    (115, 158, 0),
    (0, 94, 213),
    (178, 114, 0),
)
_SMALLEST = 11  # text, pixels
_FADED = 0.75  # opacity of the white over a dropped patch


def draw_faces(image: np.ndarray, result: ImageResult, stage: str | None = None) -> np.ndarray:
    """Draw boxes, labels, landmarks and kept patches.

    Boxes have the color of their class. If patches are drawn, the frame shows the input of the
    network instead of the box. Labels stay inside the image. Their size depends on the image, up to
    the width of the face.

    Args:
        image (np.ndarray): The image, uint8 (H, W, 3) in BGR.
        result (ImageResult): The result to draw.
        stage (str, optional): Draw the patches kept after this stage: ``'app'``, ``'layers.4'``,
            ... Defaults to the last one.

    Returns:
        A new image of the same size.
    """
    canvas = image.copy()
    for face in result.faces:
        if face.patches is not None:
            _fade_dropped(canvas, face, stage)
    # Text height: a thirtieth of the shorter side, but large enough to read.
    text_size = max(round(min(canvas.shape[:2]) / 30), _SMALLEST)
    for face in result.faces:
        line = max(round(_text_size(face, text_size) / 8), 1)
        color = _COLORS[(face.label or 0) % len(_COLORS)]
        if face.patches is not None:
            _draw_frame(canvas, _seen_corners(face), color, line)
        elif face.detection_score is not None:
            _draw_frame(canvas, box_corners(face.box), color, line)
        _draw_points(canvas, face, color)
    # Labels after all boxes, so that no box covers them.
    for face in result.faces:
        text = describe(face)
        if text:
            whole = face.detection_score is None
            _draw_label(canvas, text, face.box, _text_size(face, text_size), inside=whole)
    if not result.faces:
        _draw_label(canvas, result.status, (0, 0, *canvas.shape[1::-1]), text_size, inside=True)
    return canvas


def _text_size(face: FaceResult, largest: int) -> int:
    """Return a text size for a label about as wide as the face, so that faces in a crowd stay
    visible.
    """
    return min(max(round((face.box[2] - face.box[0]) / 8), _SMALLEST), largest)


def describe(face: FaceResult) -> str:
    """Return the label of a face.

    ``'Happiness 93 %'``, ``'41 years'``; ``'valence 0.52, arousal -0.10'`` if there is no class;
    empty for landmarks.
    """
    if face.class_name is not None:
        return f'{face.class_name} {100 * face.score:.0f} %'
    if face.valence is not None:
        return f'valence {face.valence:.2f}, arousal {face.arousal:.2f}'
    return '' if face.age is None else f'{face.age:.0f} years'


def _draw_points(canvas: np.ndarray, face: FaceResult, color: tuple) -> None:
    # The detector's points show how well it worked; not needed next to landmarks and patches.
    points = face.points or (() if face.patches else face.five_points or ())
    radius = max(round((face.box[2] - face.box[0]) / 100), 1)
    for outer, fill in ((radius + 1, _RIM), (radius, color)):
        for x, y in points:
            cv2.circle(canvas, (round(x), round(y)), outer, fill, cv2.FILLED, cv2.LINE_AA)


def _fade_dropped(canvas: np.ndarray, face: FaceResult, stage: str | None) -> None:
    """Fade the dropped patches in the image."""
    stages = face.patches.stages
    kept = stages[stage] if stage else list(stages.values())[-1]
    width, height = face.crop_size
    mask = keep_mask(np.array(kept), face.patches.grid, (height, width)).astype(np.uint8)
    back = invert(np.array(face.crop_map))
    # 1 dropped, 2 kept, 0 outside of the network's input.
    seen = cv2.warpAffine(mask + 1, back, canvas.shape[1::-1], flags=cv2.INTER_NEAREST)
    dropped = seen == 1
    canvas[dropped] = (canvas[dropped] * (1 - _FADED) + 255 * _FADED).astype(np.uint8)


def _seen_corners(face: FaceResult) -> np.ndarray:
    """Return the corners (4, 2) of the network's input, in image pixels."""
    corners = box_corners(image_box(*face.crop_size)).astype(np.float64)
    return move_points(corners, invert(np.array(face.crop_map)))


def _draw_frame(canvas: np.ndarray, corners: np.ndarray, color: tuple, line: int) -> None:
    outline = [corners.round().astype(np.int32)]
    cv2.polylines(canvas, outline, True, _RIM, line + 2, cv2.LINE_AA)
    cv2.polylines(canvas, outline, True, color, line, cv2.LINE_AA)


def _draw_label(canvas: np.ndarray, text: str, box: tuple, size: int, inside: bool = False) -> None:
    """Draw a label in white on a dark plate, readable on every image."""
    plate = _text_plate(text, size)
    height, width = plate.shape[:2]
    x, y = round(box[0]), round(box[1]) - (0 if inside else height)
    if y < 0 and not inside:  # no space above: below, else inside
        y = round(box[3]) if round(box[3]) + height <= canvas.shape[0] else round(box[1])
    x = min(max(x, 0), max(canvas.shape[1] - width, 0))
    y = min(max(y, 0), max(canvas.shape[0] - height, 0))
    part = canvas[y : y + height, x : x + width]
    part[:] = plate[: part.shape[0], : part.shape[1]]


@lru_cache(maxsize=256)
def _text_plate(text: str, size: int) -> np.ndarray:
    """Return a line of text on its plate, BGR."""
    font = _font(size)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    margin = max(size // 4, 2)
    plate = Image.new('RGB', (right - left + 2 * margin, ascent + descent + margin), _INK)
    ImageDraw.Draw(plate).text((margin - left, margin // 2), text, font=font, fill=_PAPER)
    return np.asarray(plate)[..., ::-1]


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # A font that comes with matplotlib: always available, and covers most scripts.
    folder = Path(matplotlib.get_data_path()) / 'fonts/ttf'
    return ImageFont.truetype(str(folder / 'DejaVuSans.ttf'), size)
