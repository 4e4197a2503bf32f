# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from rich.progress import track
from torch import Tensor

from mmfer.datasets.transforms.face_geometry import invert, move_points
from mmfer.evaluation.finite_predictions import NonFinitePredictionError
from mmfer.faces import MAX_FRAME_SIDE, Face, FaceChoice, FaceDetector, build_detector
from mmfer.inference.draw_faces import draw_faces
from mmfer.inference.face_cutter import Cut, FaceCutter, NotAFaceError
from mmfer.inference.images import InputImage, count_images, read_images
from mmfer.inference.model_runner import ModelRunner, pack_images
from mmfer.inference.results import (
    FACES,
    NO_FACE,
    UNREADABLE,
    FaceResult,
    ImageResult,
    KeptPatches,
)
from mmfer.inference.writers import CsvWriter
from mmfer.utils.reparameterize import merge_branches

from .included_weights import included_model, introduce
from .model_index import list_models
from .models import get_model

_YEARS, _PIXELS, _SCORES = 2, 3, 6  # decimals


@dataclass
class _Job:
    """An image on its way: what was found in it, and what the model is to see."""

    item: InputImage
    result: ImageResult
    faces: list[Face | None]
    cuts: list[Cut]


class FaceInferencer:
    """Finds the faces of images and videos, and runs a trained model on each.

    ::

        from mmfer import FaceInferencer

        inferencer = FaceInferencer('apvit.safetensors')
        for result in inferencer(['a.jpg', 'b.jpg']):
            for face in result.faces:
                print(result.source, face.box, face.class_name, face.score)
        for result in inferencer.stream('film.mp4'):  # one frame after the other
            ...

    A face is cut out as the images of the model's test set were (:class:`.FaceCutter`): aligned
    by its five points, or cut at its box. What is predicted is in pixels of the image.

    Args:
        model (str | Path | Config | BaseModel, optional): A name of :meth:`list_models`, a config
            file, a checkpoint that carries its config (what ``tools/train.py`` and
            ``publish_model.py`` write), or a model of :func:`.get_model`. All but the last are
            brought to the form for inference, see :func:`.merge_branches`; what they answer stays
            the same but for rounding. Any other model that answers ``test_step`` needs its config
            as ``model._config``. Defaults to the expression model that comes with mmfer; the log
            says which it is.
        weights (str | Path, optional): The checkpoint, where the model is a name or a config.
        device (str | torch.device, optional): Where the model runs. Defaults to a GPU if there is
            one, else the CPU; a model that was passed stays where it is.
        detector (str | FaceDetector, optional): Finds faces: ``'auto'`` (default), ``'yunet'`` or
            ``'mtcnn'``, see :func:`.find_detector`; a :class:`.FaceDetector`; or None for images
            that are aligned or cut out already, each of which is one face.
        detector_weights (str | Path, optional): YuNet's ONNX file; docs/alignment.md says where it
            comes from. Defaults to that of an installed package.
        min_score (float): Confidence below which a face is none, 0 to 1. Defaults to 0.6.
        min_size (float): Faces whose box has a shorter side do not count, pixels. Defaults to 20.
        batch_size (int, optional): Faces that the model sees at once, of one image or of several;
            so many images are held at most. Defaults to 8 on the CPU, where more would only leave
            its caches, else 32.
        cfg_options (Iterable[str]): ``KEY=VALUE`` words that override the config, such as
            ``'model.backbone.app.keep_num=80'``.
        show_progress (bool): Whether calls show a progress bar; streams do not. Defaults to True.
        max_side (int, optional): Longer side to which larger images are shrunk for the search,
            pixels, 32 or more. Defaults to that of the detector, 6144; for frames of films and
            cameras 640, where the detector is one that is named.
        detector_sha256 (str, optional): Of ``detector_weights``, for a file that is not among the
            published ones.
        largest (bool): Whether only the largest face of an image counts, by area of its box.
            Defaults to False.
        every (int): Of films and cameras, only every so many frames one is looked at, 1 or more.
            Numbers and times of frames stay those of the film. Defaults to 1.

    Attributes:
        model: The network, in eval mode.
        cfg: Its config.
        runner: What runs it, a :class:`.ModelRunner`.
        task: ``'expression'``, ``'age'``, ``'landmarks'``, ``'recognition'``,
            ``'valence_arousal'`` or ``'classification'``.
        classes: Names of its outputs; empty but for classifiers.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The model or the detector is unknown, has no weights or those of another, or a
            number is out of range.
        ImportError: The detector's package is not installed.
    """

    def __init__(
        self,
        model: str | Path | Config | BaseModel | None = None,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
        detector: str | FaceDetector | None = 'auto',
        detector_weights: str | Path | None = None,
        min_score: float = 0.6,
        min_size: float = 20,
        batch_size: int | None = None,
        cfg_options: Iterable[str] = (),
        show_progress: bool = True,
        max_side: int | None = None,
        detector_sha256: str | None = None,
        largest: bool = False,
        every: int = 1,
    ):
        if batch_size is not None and batch_size < 1:
            raise ValueError(f'batch_size must be 1 or more, not {batch_size!r}')
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f'every (--every) must be a whole number, 1 or more, not {every!r}')
        self._choice = FaceChoice(min_score, min_size)
        self._largest = largest
        self._every = every
        self.detector = _make_detector(detector, detector_weights, max_side, detector_sha256)
        named = isinstance(detector, str) and max_side is None
        self._frame_side = MAX_FRAME_SIDE if named else None
        if model is None:
            if weights is not None:
                raise ValueError('weights (--weights) are those of a model: name it (--model)')
            included = included_model()
            print_log(introduce(included), 'current')
            model = included.name
        if isinstance(model, BaseModel):
            if not isinstance(getattr(model, '_config', None), Config):
                raise ValueError('the model does not know its config; build it by mmfer.get_model')
            self.model = model.eval()
            if device is not None:
                self.model.to(_check_device(device))
        else:
            device = _check_device(device)
            self.model = get_model(model, weights, device, cfg_options, allow_untrained=False)
            # The form for inference is quicker. A model that was passed is somebody else's.
            merge_branches(self.model)
            self.model.to(memory_format=torch.channels_last)
        self.cfg = self.model._config
        on_cpu = self.model.data_preprocessor.device.type == 'cpu'
        self.batch_size = batch_size or (8 if on_cpu else 32)
        self.show_progress = show_progress
        meta = dict(dataset_meta=getattr(self.model, '_dataset_meta', None))
        self.runner = ModelRunner(self.model, self.cfg, meta)
        self.pipeline = FaceCutter(self.cfg)

    @property
    def task(self) -> str:
        return self.runner.task

    @property
    def classes(self) -> tuple[str, ...]:
        return self.runner.classes

    def check_patches(self, stage: str | None = None) -> None:
        """Refuse to tell which patches are kept where the model cannot.

        Raises:
            ValueError: The model has no poolings, or none of this name.
        """
        stages = self.runner.patch_stages
        if not stages:
            backbone = getattr(self.model, 'backbone', self.model)
            raise ValueError(
                f'{type(backbone).__name__} keeps all of a face; patches need an APViT with '
                'poolings (model.backbone)'
            )
        if stage is not None and stage not in stages:
            raise ValueError(f'the model has no stage {stage!r}, only {", ".join(stages)}')

    def csv_writer(self, path: str | Path) -> CsvWriter:
        """A writer with the columns that this model fills."""
        run = self.runner
        return CsvWriter(
            path, run.task, run.classes, run.action_units, run.num_points, run.valence_arousal
        )

    def __call__(
        self, inputs: Any, batch_size: int | None = None, patches: bool = False
    ) -> list[ImageResult]:
        """Run on all inputs and return the results, in their order.

        Args:
            inputs (Any): The path of an image, a video, or a folder, which is searched with all
                below it; an array uint8 (H, W, 3) in BGR; or an iterable of these.
            batch_size (int, optional): Instead of the inferencer's.
            patches (bool): Whether results tell which patches an APViT kept. Defaults to False.

        Returns:
            One result an image and a frame; files that cannot be read have one that says why.

        Raises:
            TypeError: An input is something else.
            ValueError: An array has another shape or type; or the model keeps no patches.
        """
        results = self.stream(inputs, batch_size, patches)
        if self.show_progress:
            results = track(results, 'faces', total=count_images(inputs, self._every))
        return list(results)

    def stream(
        self, inputs: Any, batch_size: int | None = None, patches: bool = False
    ) -> Iterator[ImageResult]:
        """As a call, one result after the other: memory does not grow with the number of frames.

        Also takes the number of a camera, whose results come frame by frame.
        """
        for job in self._run(inputs, batch_size, patches, keep_images=False):
            yield job.result

    def stream_images(
        self, inputs: Any, batch_size: int | None = None, patches: bool = False
    ) -> Iterator[tuple[InputImage, ImageResult]]:
        """As :meth:`stream`, each result with its image, for :meth:`visualize`."""
        for job in self._run(inputs, batch_size, patches, keep_images=True):
            yield job.item, job.result

    # The steps, named as those of MMEngine's inferencers ---------------------------------------

    def preprocess(
        self, inputs: Any, batch_size: int = 1, keep_images: bool = True
    ) -> Iterator[list[_Job]]:
        """Read images, find and cut faces, until there are enough of them for a batch.

        Args:
            inputs (Any): See :meth:`__call__`.
            batch_size (int): How many faces are enough.
            keep_images (bool): Whether jobs keep their images, or only the faces cut out of them.

        Yields:
            Jobs in the order of their images, at most ``batch_size`` of them, however few faces
            they have.
        """
        jobs: list[_Job] = []
        for item in read_images(inputs, every=self._every):
            job = self._look(item)
            if not keep_images:
                job.item = item = replace(item, image=None)
            jobs.append(job)
            faces = sum(len(job.cuts) for job in jobs)
            if faces >= batch_size or len(jobs) >= batch_size or item.live:
                yield jobs
                jobs = []
        if jobs:
            yield jobs

    def forward(self, inputs: list[Cut], patches: bool = False) -> list[dict[str, Any]]:
        """Predict a batch of faces.

        Args:
            inputs (list[Cut]): Of one size.
            patches (bool): Whether to return which patches were kept. Defaults to False.

        Returns:
            Of each face the arguments of :class:`.FaceResult` that the model decides.
        """
        batch, maps = pack_images(cut.image for cut in inputs), [cut.matrix for cut in inputs]
        if not patches:
            return list(map(self._plain_prediction, self.runner.predict(batch), maps))
        results = []
        for face, crop_map in zip(self.runner.inspect(batch), maps, strict=True):
            stages = {stage: tuple(positions.tolist()) for stage, positions in face.kept.items()}
            kept = KeptPatches(face.grid, stages)
            results.append(dict(self._plain_prediction(face.sample, crop_map), patches=kept))
        return results

    def visualize(
        self, image: InputImage | np.ndarray, result: ImageResult, stage: str | None = None
    ) -> np.ndarray:
        """Draw a result into its image, see :func:`.draw_faces`."""
        return draw_faces(getattr(image, 'image', image), result, stage)

    def postprocess(self, job: _Job, predictions: list[dict[str, Any]]) -> ImageResult:
        """Put together what was found and what was predicted."""
        faces = zip(job.faces, job.cuts, predictions, strict=True)
        size = job.result.width, job.result.height
        return replace(job.result, faces=tuple(_to_result(*face, size) for face in faces))

    @staticmethod
    def list_models(pattern: str | None = None) -> list[str]:
        """Names of models, see :func:`mmfer.list_models`."""
        return list_models(pattern)

    # ------------------------------------------------------------------------------------------

    def _run(
        self, inputs: Any, batch_size: int | None, patches: bool, keep_images: bool
    ) -> Iterator[_Job]:
        if patches:
            self.check_patches()
        batch_size = self.batch_size if batch_size is None else batch_size
        if batch_size < 1:
            raise ValueError(f'batch_size must be 1 or more, not {batch_size!r}')
        for jobs in self.preprocess(inputs, batch_size, keep_images):
            cuts = [cut for job in jobs for cut in job.cuts]
            predictions = []
            for start in range(0, len(cuts), batch_size):
                try:
                    predictions += self.forward(cuts[start : start + batch_size], patches)
                except NonFinitePredictionError as error:
                    sources = [job.item.source for job in jobs for _ in job.cuts]
                    source = sources[start + error.index]
                    raise NonFinitePredictionError(source, error.field, error.index) from None
            remaining = iter(predictions)
            # Let go of each: the next batch is read while this list is still here.
            jobs.reverse()
            while jobs:
                job = jobs.pop()
                job.result = self.postprocess(job, list(islice(remaining, len(job.cuts))))
                yield job

    def _plain_prediction(self, sample: DataSample, crop_map: np.ndarray) -> dict[str, Any]:
        """What :class:`.FaceResult` has of a prediction; points are in pixels of the image."""
        run = self.runner
        if run.task == 'age':
            return dict(age=round(float(sample.pred_age), _YEARS))
        if run.task == 'landmarks':
            points = sample.pred_landmarks.double().cpu().numpy()
            points = move_points(points, invert(crop_map)).round(_PIXELS)
            return dict(points=tuple(map(tuple, points.tolist())))
        result = {}
        if run.valence_arousal:
            places = _rounded(sample.pred_valence_arousal)
            result = dict(zip(('valence', 'arousal'), places, strict=True))
        if run.task == 'valence_arousal':
            return result
        label = int(sample.pred_score.argmax())
        scores = zip(run.classes, _rounded(sample.pred_score), strict=True)
        result.update(label=label, class_name=run.classes[label], scores=dict(scores))
        if run.action_units:
            units = zip(run.action_units, _rounded(sample.pred_au), strict=True)
            result['action_units'] = dict(units)
        if 'feat' in sample:
            result['feature'] = _rounded(sample.feat.ravel())
        return result

    def _look(self, item: InputImage) -> _Job:
        """Find the faces of an image and cut them out."""
        result = ImageResult(item.source, UNREADABLE, item.error, item.frame, item.time)
        if item.image is None:
            return _Job(item, result, [], [])
        height, width = item.image.shape[:2]
        result = replace(result, status=FACES, width=width, height=height)
        if self.detector is None:
            faces, reason = [None], ''
        else:
            frame = item.frame is not None and self._frame_side
            found = self.detector(item.image, **(dict(max_side=frame) if frame else {}))
            faces = [face for face in found if self._counts(face)]
            choice = self._choice(found, (width, height))
            reason = '' if faces else choice.reason
            if faces and self._largest:
                faces = [choice.face]
        job = _Job(item, result, [], [])
        for face in faces:
            try:
                job.cuts.append(self.pipeline(item.image, face))
            except NotAFaceError as error:
                reason = str(error)
            else:
                job.faces.append(face)
        if not job.faces:
            job.result = replace(result, status=NO_FACE, reason=reason)
        return job

    def _counts(self, face: Face) -> bool:
        return face.score >= self._choice.min_score and face.size >= self._choice.min_size


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, _SCORES) for value in values.double().tolist())


def _check_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f'device (--device) {device!r} is none that torch knows') from error
    try:
        torch.zeros(1, device=device).tolist()
    # Which of them it is, or torch's own subclass, is another for every kind of device.
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        reason = str(error).partition('\n')[0]
        raise ValueError(
            f'device (--device) {str(device)!r} cannot be used here: {reason}; use cpu'
        ) from error
    return device


def _to_result(
    face: Face | None, cut: Cut, prediction: dict[str, Any], size: tuple[int, int]
) -> FaceResult:
    box = (-0.5, -0.5, size[0] - 0.5, size[1] - 0.5)
    found = {}
    if face is not None:
        box = tuple(np.round(face.box, _PIXELS).tolist())
        points = np.round(face.points, _PIXELS).tolist()
        found = dict(detection_score=face.score, five_points=tuple(map(tuple, points)))
    return FaceResult(
        box=box,
        crop_map=tuple(map(tuple, cut.matrix.tolist())),
        crop_size=cut.image.shape[1::-1],
        **found,
        **prediction,
    )


def _make_detector(
    detector: str | FaceDetector | None,
    weights: str | Path | None,
    max_side: int | None,
    sha256: str | None,
) -> FaceDetector | None:
    if detector is None or isinstance(detector, FaceDetector):
        if max_side is not None:
            raise ValueError(
                f'max_side={max_side!r} (--max-side) is for a detector that is named, not for '
                + (
                    'aligned faces'
                    if detector is None
                    else f'a {type(detector).__name__} made before'
                )
            )
        return detector
    return build_detector(detector, weights, sha256, max_side)
