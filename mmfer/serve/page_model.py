# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import base64
import math
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from operator import attrgetter
from typing import Any

import cv2
import numpy as np

from mmfer.apis.face_inferencer import FaceInferencer
from mmfer.benchmark.timing import interleave
from mmfer.datasets.transforms.face_geometry import warp
from mmfer.inference.draw_faces import describe
from mmfer.inference.face_cutter import Cut
from mmfer.inference.results import FaceResult
from mmfer.models.pooling_settings import (
    PoolingSettings,
    check_pooling,
    keep_all,
    read_pooling,
    use_pooling,
)
from mmfer.visualization.pooling import erase_dropped, stage_title

MAX_FACES = 12  # faces shown on the page; the best detections
PASSES = 5
_DRAWN_SIDE = 1600  # longest side of the annotated image, pixels
_CROP_SIDE = 192  # shortest side of the enlarged network input, pixels
_QUALITY = 90  # of JPEG


class PageModel:
    """Runs a model for the page: one image at a time, with any pooling settings.

    Threads may share it; they wait for each other.

    Args:
        inferencer (FaceInferencer): The model, and the detector unless images are aligned faces.
        name (str): Name of the model on the page.
    """

    def __init__(self, inferencer: FaceInferencer, name: str):
        self.inferencer = inferencer
        self.name = name
        self._backbone = inferencer.model.backbone
        self._size = inferencer.pipeline(np.zeros((64, 64, 3), np.uint8)).image.shape[:2]
        self._trained = read_pooling(self._backbone)
        self._pools = self._trained != PoolingSettings()
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """Return the facts that the page shows and the ranges of its sliders, as plain values."""
        trained = asdict(self._trained)
        if isinstance(self._trained.keep_rate, tuple):
            trained['keep_rate'] = None  # blocks with different rates have no slider
        return dict(
            name=self.name,
            task=self.inferencer.task,
            backbone=type(self._backbone).__name__,
            device=str(self.inferencer.model.data_preprocessor.device),
            aligned=self.inferencer.detector is None,
            num_patches=math.prod(self._backbone.grid_of(self._size)) if self._pools else None,
            **trained,
        )

    def check(self, settings: PoolingSettings) -> None:
        """Check that the model can use these settings, see :func:`.check_pooling`.

        Raises:
            ValueError: A setting is out of its range, or the model lacks that pooling.
        """
        check_pooling(self._backbone, settings, self._size)

    def read(self, image: np.ndarray, settings: PoolingSettings | None = None) -> dict[str, Any]:
        """Detect the faces of an image and run the model on them.

        Args:
            image (np.ndarray): uint8 (H, W, 3) in BGR.
            settings (PoolingSettings, optional): How much its poolings keep. Default: as trained.

        Returns:
            Plain values:

            * ``status`` and ``reason`` of :class:`.ImageResult`;
            * ``image``: the annotated image as a data URL;
            * ``found``: number of detected faces; the first 12 are in ``faces``;
            * ``faces``: see :meth:`_face`;
            * ``settings`` and ``tokens``: the pooling settings, and the number of patches after
              each block;
            * ``speed``: time from the pixels of one face to its scores in milliseconds, ``pooled``
              with these settings and ``whole`` with all patches kept, medians of ``passes``.

            Without pooling there is no ``settings``, no ``tokens``, and no ``whole`` anywhere.

        Raises:
            ValueError: See :meth:`check`.
        """
        with self._lock, self._use(settings or PoolingSettings()):
            return self._read(image)

    def _use(self, settings: PoolingSettings) -> AbstractContextManager[None]:
        return use_pooling(self._backbone, settings, self._size)

    def _keep_all(self) -> AbstractContextManager[None]:
        return self._use(keep_all(self._backbone, self._size))

    def _read(self, image: np.ndarray) -> dict[str, Any]:
        inferencer = self.inferencer
        ((job,),) = inferencer.preprocess(image)
        found = len(job.cuts)
        job = replace(job, faces=job.faces[:MAX_FACES], cuts=job.cuts[:MAX_FACES])
        result = wholes = inferencer.postprocess(job, self._forward(job.cuts, self._pools))
        response: dict[str, Any] = {}
        if self._pools:
            with self._keep_all():
                wholes = inferencer.postprocess(job, self._forward(job.cuts))
            response['settings'] = asdict(read_pooling(self._backbone))
            response['tokens'] = [count - 1 for count in self._backbone.token_counts(self._size)]
        if job.cuts:
            response['speed'] = self._time(job.cuts[:1])
        return dict(
            status=result.status,
            reason=result.reason,
            image=_jpeg(_shrink(inferencer.visualize(image, result))),
            found=found,
            faces=[
                self._face(image, face, whole if self._pools else None)
                for face, whole in zip(result.faces, wholes.faces, strict=True)
            ],
            **response,
        )

    def _forward(self, cuts: list[Cut], patches: bool = False) -> list[dict[str, Any]]:
        return self.inferencer.forward(cuts, patches) if cuts else []

    def _time(self, cuts: list[Cut]) -> dict[str, float]:
        def pooled():
            self._forward(cuts)

        def whole():
            with self._keep_all():
                self._forward(cuts)

        runs = dict(pooled=pooled, whole=whole) if self._pools else dict(pooled=pooled)
        measured = interleave(runs, PASSES)
        medians = {name: 1000 * times.median for name, times in measured.items()}
        return dict(medians, passes=PASSES)

    def _face(
        self, image: np.ndarray, face: FaceResult, whole: FaceResult | None
    ) -> dict[str, Any]:
        """Return the facts about a face that the page shows.

        Returns:
            ``title`` such as 'Happiness 93 %'; ``bars``, one per class with its ``name`` and
            ``score``; ``action_units`` and ``valence_arousal`` (-1 to 1), in the same form, empty
            if not predicted; ``crop``, the input of the network; ``stages``, one per pooling stage
            with its ``title``, the number of ``kept`` patches and an ``image`` of them; ``whole``,
            the title with all patches kept, in which case every bar also has ``whole``.
        """
        crop = _enlarge(warp(image, np.array(face.crop_map), face.crop_size))
        response = dict(
            title=describe(face),
            bars=_bars(attrgetter('scores'), face, whole),
            action_units=_bars(attrgetter('action_units'), face, whole),
            valence_arousal=_bars(_valence_arousal, face, whole),
            crop=_png(crop),
            stages=[],
        )
        if whole is not None:
            response['whole'] = describe(whole)
        if face.patches is not None:
            for stage, kept in face.patches.stages.items():
                shown = erase_dropped(crop, np.array(kept), face.patches.grid)
                title = stage_title(stage)
                response['stages'].append(dict(title=title, kept=len(kept), image=_png(shown)))
        return response


def _valence_arousal(face: FaceResult) -> dict[str, float]:
    return {} if face.valence is None else dict(valence=face.valence, arousal=face.arousal)


def _bars(
    group: Callable[[FaceResult], dict[str, float] | None],
    face: FaceResult,
    whole: FaceResult | None,
) -> list[dict[str, Any]]:
    bars = []
    for name, score in (group(face) or {}).items():
        bars.append(dict(name=name, score=score))
        if whole is not None:
            bars[-1]['whole'] = group(whole)[name]
    return bars


def _shrink(image: np.ndarray) -> np.ndarray:
    scale = _DRAWN_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = [max(round(scale * length), 1) for length in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _enlarge(crop: np.ndarray) -> np.ndarray:
    # By an integer factor, so that the edges of patches are between pixels.
    scale = max(-(-_CROP_SIDE // min(crop.shape[:2])), 1)
    return cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _jpeg(image: np.ndarray) -> str:
    return _data_url('jpeg', image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


def _png(image: np.ndarray) -> str:
    return _data_url('png', image)


def _data_url(kind: str, image: np.ndarray, options: Sequence[int] = ()) -> str:
    content = cv2.imencode(f'.{kind}', image, list(options))[1].tobytes()
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'
