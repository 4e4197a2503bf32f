# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Results of inference: plain values that can be compared, stored and read back.

Coordinates are pixels of the image as it was read, rounded to three decimals. Integers are pixel
centers; (0, 0) is the center of the first pixel. Probabilities are rounded to six decimals.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

Point = tuple[float, float]

FACES, NO_FACE, UNREADABLE = ('faces', 'no face', 'unreadable')


@dataclass(frozen=True)
class KeptPatches:
    """The patches of a face that an APViT keeps.

    Attributes:
        grid (tuple[int, int]): Rows and columns of patches.
        stages (dict[str, tuple[int, ...]]): Stage (``'app'``, ``'layers.4'``, ...) -> raster
            positions of the patches kept after it.
    """

    grid: tuple[int, int]
    stages: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class FaceResult:
    """A face and its predictions. Fields that the model does not predict are None.

    Attributes:
        box (tuple[float, float, float, float]): x1, y1, x2, y2 of the face, outer edges; may extend
            beyond the image.
        crop_map (tuple[tuple[float, float, float], ...]): Rows of the affine map (2, 3) from the
            image to the input of the network.
        crop_size (tuple[int, int]): Width and height of that input, pixels.
        detection_score (float, optional): Confidence of the detector, 0 to 1; None without a
            detector.
        five_points (tuple[Point, ...], optional): Left eye, right eye, tip of the nose, left and
            right corner of the mouth, left and right as seen by the viewer; None without a
            detector.
        label (int, optional): Index of the most probable class.
        class_name (str, optional): Name of the most probable class.
        scores (dict[str, float], optional): Class name -> probability, in the order of the model's
            outputs.
        action_units (dict[str, float], optional): Facial action unit -> probability.
        valence (float, optional): How pleasant the face looks, -1 to 1.
        arousal (float, optional): How excited the face looks, -1 to 1.
        age (float, optional): Age in years.
        points (tuple[Point, ...], optional): Facial landmarks.
        feature (tuple[float, ...], optional): Embedding of a recognition model.
        patches (KeptPatches, optional): Kept patches, if they were requested.
    """

    box: tuple[float, float, float, float]
    crop_map: tuple[tuple[float, float, float], ...]
    crop_size: tuple[int, int]
    detection_score: float | None = None
    five_points: tuple[Point, ...] | None = None
    label: int | None = None
    class_name: str | None = None
    scores: dict[str, float] | None = None
    action_units: dict[str, float] | None = None
    valence: float | None = None
    arousal: float | None = None
    age: float | None = None
    points: tuple[Point, ...] | None = None
    feature: tuple[float, ...] | None = None
    patches: KeptPatches | None = None

    @property
    def score(self) -> float | None:
        """Probability of the most probable class; None for models that do not classify."""
        return None if self.class_name is None else self.scores[self.class_name]


@dataclass(frozen=True)
class ImageResult:
    """An image, or a frame of a video, and its faces.

    Attributes:
        source (str): Path of the file, ``'camera 0'`` or ``'array 0'``.
        status (str): ``'faces'``, ``'no face'`` or ``'unreadable'``.
        reason (str): Why there is no face, or why the file is unreadable; empty if there are faces.
        frame (int, optional): Number of the frame, from 0; None for images.
        time (float, optional): Seconds since the first frame; None for images.
        width (int, optional): Width in pixels; None if unreadable.
        height (int, optional): Height in pixels; None if unreadable.
        faces (tuple[FaceResult, ...]): The faces, highest detection score first.
        drawn (str, optional): Path of the annotated file, relative to the output folder; None if
            none was written.
    """

    source: str
    status: str
    reason: str = ''
    frame: int | None = None
    time: float | None = None
    width: int | None = None
    height: int | None = None
    faces: tuple[FaceResult, ...] = ()
    drawn: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; None is omitted."""
        return _without_none(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> 'ImageResult':
        """Inverse of :meth:`to_dict`; also works after a JSON round trip.

        Raises:
            ValueError: A key is unknown or missing.
        """
        faces = tuple(_face(face) for face in values.get('faces', ()))
        return _make(cls, {**values, 'faces': faces})


def _face(values: Mapping[str, Any]) -> FaceResult:
    # JSON has no tuples.
    values = {key: _tuples(value) for key, value in values.items()}
    if 'patches' in values:
        values['patches'] = _make(KeptPatches, values['patches'])
    return _make(FaceResult, values)


def _make(cls: type, values: Mapping[str, Any]):
    unknown = sorted(set(values) - {field.name for field in fields(cls)})
    if unknown:
        raise ValueError(f'{cls.__name__} has no {", ".join(unknown)}')
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f'{cls.__name__}: {error}') from error


def _tuples(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_tuples, value))
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value]
    return value
