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
    """An image being processed: the faces found in it, and the inputs of the model."""

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
        for result in inferencer.stream('video.mp4'):  # frame by frame
            ...

    Faces are cut out like the images of the model's test set (:class:`.FaceCutter`): aligned by
    five points, or cropped at the box. All coordinates are pixels of the input image.

    Args:
        model (str | Path | Config | BaseModel, optional): A name of :meth:`list_models`, a config
            file, a checkpoint that contains its config (written by ``tools/train.py`` or
            ``publish_model.py``), or a model built by :func:`.get_model`. All but the last are
            converted for inference, see :func:`.merge_branches`; predictions only change by
            rounding. Any other MMEngine ``BaseModel`` needs its config as ``model._config``.
            Defaults to the expression model that comes with mmfer; the log names it.
        weights (str | Path, optional): The checkpoint if ``model`` is a name or a config.
        device (str | torch.device, optional): Where the model runs. Defaults to a GPU if there is
            one, else the CPU; a model that was passed stays on its device.
        detector (str | FaceDetector, optional): The face detector: ``'auto'`` (default),
            ``'yunet'`` or ``'mtcnn'``, see :func:`.find_detector`; a :class:`.FaceDetector`; or
            None if each image is one face, already aligned or cropped.
        detector_weights (str | Path, optional): YuNet's ONNX file; docs/alignment.md says where to
            get it. Defaults to the file of an installed package.
        min_score (float): Detections with a lower score are ignored, 0 to 1. Defaults to 0.6.
        min_size (float): Faces whose box has a shorter side below this are ignored, pixels.
            Defaults to 20.
        batch_size (int, optional): Faces per forward pass, from one or several images; also the
            largest number of images in memory. Defaults to 8 on the CPU, where larger batches no
            longer fit its caches, else 32.
        cfg_options (Iterable[str]): ``KEY=VALUE`` strings that override the config, such as
            ``'model.backbone.app.keep_num=80'``.
        show_progress (bool): Whether calls show a progress bar; streams do not. Defaults to True.
        max_side (int, optional): Larger images are shrunk to this longer side for face detection,
            pixels, 32 or more. Defaults to 6144, or 640 for frames of videos and cameras. Only for
            a detector given by name.
        detector_sha256 (str, optional): SHA256 of ``detector_weights``, for a file that is not one
            of the published ones.
        largest (bool): Whether to use only the largest face of an image, by box area. Defaults to
            False.
        every (int): Process every ``every``-th frame of videos and cameras, 1 or more. Frame
            numbers and times are those of the original video. Defaults to 1.

    Attributes:
        model: The network, in eval mode.
        cfg: Its config.
        runner: The :class:`.ModelRunner` that runs it.
        task: ``'expression'``, ``'age'``, ``'landmarks'``, ``'recognition'``,
            ``'valence_arousal'`` or ``'classification'``.
        classes: Class names in the order of the outputs; empty for models that do not classify.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: The model or the detector is unknown, the weights are missing or belong to
            another model, or a number is out of range.
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
                raise ValueError('weights (--weights) need a model (--model)')
            included = included_model()
            print_log(introduce(included), 'current')
            model = included.name
        if isinstance(model, BaseModel):
            if not isinstance(getattr(model, '_config', None), Config):
                raise ValueError('the model has no config; build it with mmfer.get_model')
            if weights is not None or list(cfg_options):
                raise ValueError(
                    'weights and cfg_options are for a model given by name or file; pass them to '
                    'mmfer.get_model instead'
                )
            self.model = model.eval()
            if device is not None:
                self.model.to(_check_device(device))
        else:
            device = _check_device(device)
            self.model = get_model(model, weights, device, cfg_options, allow_untrained=False)
            # Faster for inference. A model that was passed belongs to the caller: not changed.
            merge_branches(self.model)
            self.model.to(memory_format=torch.channels_last)
        self.cfg = self.model._config
        on_cpu = self.model.data_preprocessor.device.type == 'cpu'
        self.batch_size = batch_size or (8 if on_cpu else 32)
        self.show_progress = show_progress
        meta = dict(dataset_meta=getattr(self.model, '_dataset_meta', None))
        self.runner = ModelRunner(self.model, self.cfg, meta)
        self.pipeline = FaceCutter(self.cfg)
        self.pipeline(np.zeros((64, 64, 3), np.uint8))  # fails now rather than at the first face

    @property
    def task(self) -> str:
        return self.runner.task

    @property
    def classes(self) -> tuple[str, ...]:
        return self.runner.classes

    def check_patches(self, stage: str | None = None) -> None:
        """Check that the model can report kept patches.

        Raises:
            ValueError: The model has no pooling stages, or no ``stage`` of this name.
        """
        stages = self.runner.patch_stages
        if not stages:
            backbone = getattr(self.model, 'backbone', self.model)
            raise ValueError(
                f'{type(backbone).__name__} keeps all patches; showing kept patches needs an APViT '
                'with pooling (model.backbone)'
            )
        if stage is not None and stage not in stages:
            raise ValueError(f'the model has no stage {stage!r}, only {", ".join(stages)}')

    def csv_writer(self, path: str | Path) -> CsvWriter:
        """Return a writer with the columns of this model."""
        run = self.runner
        return CsvWriter(
            path, run.task, run.classes, run.action_units, run.num_points, run.valence_arousal
        )

    def __call__(
        self, inputs: Any, batch_size: int | None = None, patches: bool = False
    ) -> list[ImageResult]:
        """Run on all inputs and return the results, in their order.

        Args:
            inputs (Any): The path of an image, a video, or a folder (searched recursively); a
                uint8 array (H, W, 3) in BGR; or an iterable of these.
            batch_size (int, optional): Faces per forward pass. Defaults to that of the inferencer.
            patches (bool): Whether results include which patches an APViT kept. Defaults to False.

        Returns:
            One result per image and per frame. The result of an unreadable file gives the reason.

        Raises:
            TypeError: An input has another type.
            ValueError: An array has another shape or dtype, or ``patches`` is set for a model
                without pooling.
        """
        results = self.stream(inputs, batch_size, patches)
        if self.show_progress:
            results = track(results, 'faces', total=count_images(inputs, self._every))
        return list(results)

    def stream(
        self, inputs: Any, batch_size: int | None = None, patches: bool = False
    ) -> Iterator[ImageResult]:
        """Like a call, but yield the results one by one.

        Memory does not grow with the number of frames. ``inputs`` may also be a camera number; its
        results are yielded frame by frame.
        """
        for job in self._run(inputs, batch_size, patches, keep_images=False):
            yield job.result

    def stream_images(
        self, inputs: Any, batch_size: int | None = None, patches: bool = False
    ) -> Iterator[tuple[InputImage, ImageResult]]:
        """Like :meth:`stream`, but yield each result with its image, for :meth:`visualize`."""
        for job in self._run(inputs, batch_size, patches, keep_images=True):
            yield job.item, job.result

    # The steps, named as in MMEngine's inferencers ---------------------------------------------

    def preprocess(
        self, inputs: Any, batch_size: int = 1, keep_images: bool = True
    ) -> Iterator[list[_Job]]:
        """Read images, detect faces and cut them out, batch by batch.

        Args:
            inputs (Any): See :meth:`__call__`.
            batch_size (int): Faces after which a batch is full. Defaults to 1.
            keep_images (bool): Whether jobs keep their images, or only the faces cut out of them.
                Defaults to True.

        Yields:
            Jobs in the order of their images, at most ``batch_size`` of them, even if they have
            fewer faces.
        """
        jobs: list[_Job] = []
        for item in read_images(inputs, every=self._every):
            job = self._detect(item)
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
            inputs (list[Cut]): Faces, all of one size.
            patches (bool): Whether to return which patches were kept. Defaults to False.

        Returns:
            For each face, the predicted fields of :class:`.FaceResult`.
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
        """Draw a result on its image, see :func:`.draw_faces`."""
        return draw_faces(getattr(image, 'image', image), result, stage)

    def postprocess(self, job: _Job, predictions: list[dict[str, Any]]) -> ImageResult:
        """Combine detections and predictions into a result."""
        faces = zip(job.faces, job.cuts, predictions, strict=True)
        size = job.result.width, job.result.height
        return replace(job.result, faces=tuple(_to_result(*face, size) for face in faces))

    @staticmethod
    def list_models(pattern: str | None = None) -> list[str]:
        """Return the names of all models, see :func:`mmfer.list_models`."""
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
            # Free each job at once: the next batch is read while this list still exists.
            jobs.reverse()
            while jobs:
                job = jobs.pop()
                job.result = self.postprocess(job, list(islice(remaining, len(job.cuts))))
                yield job

    def _plain_prediction(self, sample: DataSample, crop_map: np.ndarray) -> dict[str, Any]:
        """Convert a prediction to fields of :class:`.FaceResult`; points in image pixels."""
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

    def _detect(self, item: InputImage) -> _Job:
        """Detect the faces of an image and cut them out."""
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
        raise ValueError(f'device (--device) {device!r} is unknown to torch') from error
    try:
        torch.zeros(1, device=device).tolist()
    # The type of error depends on the kind of device.
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
        for name, value in dict(
            detector_weights=weights, detector_sha256=sha256, max_side=max_side
        ).items():
            if value is not None:
                option = name.replace('_', '-')
                raise ValueError(
                    f'{name} (--{option}) needs a detector given by name, not '
                    + (
                        'aligned faces'
                        if detector is None
                        else f'a {type(detector).__name__} that is already built'
                    )
                )
        return detector
    return build_detector(detector, weights, sha256, max_side)
