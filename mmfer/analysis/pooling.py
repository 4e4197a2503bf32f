# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The patches of a face that the pooling modules of a classifier keep."""

from collections.abc import Iterable, Iterator
from typing import Any

from mmfer.datasets.transforms import LoadFaceImage
from mmfer.inference.face_cutter import FaceCutter
from mmfer.inference.model_runner import Inspection, ModelRunner, pack_images
from mmfer.inference.split_loader import build_split_loader
from mmfer.visualization.pooling import PooledFace


def face_batches(
    runner: ModelRunner, num: int, images: Iterable[str] = ()
) -> Iterator[dict[str, Any]]:
    """Load faces and pack them into batches for the model.

    Args:
        runner (ModelRunner): The model; its config defines how images are prepared.
        num (int): Number of faces, spread evenly over the test set of the config.
        images (Iterable[str]): Files with aligned faces to use instead. Defaults to ``()``.

    Raises:
        UnreadableImageError: One of ``images`` cannot be read.
    """
    images = list(images)
    if not images:
        yield from build_split_loader(runner.cfg, 'test', num)
        return
    read, cut = LoadFaceImage(), FaceCutter(runner.cfg)
    for path in images:
        yield pack_images([cut(read(dict(img_path=path))['img']).image])


def check_tells_patches(runner: ModelRunner) -> None:
    """Check that a model is a classifier that returns which patches it keeps.

    Raises:
        TypeError: The backbone does not return which patches it keeps.
        ValueError: The model predicts no classes.
    """
    backbone = getattr(runner.model, 'backbone', runner.model)
    if not hasattr(backbone, 'forward_with_indices'):
        raise TypeError(
            f'{type(backbone).__name__} does not return which patches it keeps; the config needs '
            'model.backbone.type=APViT'
        )
    if not runner.classes:
        raise ValueError(
            f'patches are drawn for a predicted class, and this is a model for {runner.task} '
            '(model.head)'
        )


def pooled_faces(runner: ModelRunner, batch: dict[str, Any]) -> list[PooledFace]:
    """Predict a batch of faces and return the patches that remain after every pooling.

    Args:
        runner (ModelRunner): A classifier whose backbone has ``forward_with_indices``.
        batch (dict[str, Any]): See :meth:`.ModelRunner.predict`.

    Raises:
        TypeError: See :func:`check_tells_patches`.
        ValueError: See :func:`check_tells_patches`.
    """
    check_tells_patches(runner)
    return [_pooled(runner, face) for face in runner.inspect(batch)]


def _pooled(runner: ModelRunner, face: Inspection) -> PooledFace:
    scores = face.sample.pred_score
    best = int(scores.argmax())
    truth = int(face.sample.gt_label) if 'gt_label' in face.sample else -1
    return PooledFace(
        image=face.image,
        kept=face.kept,
        grid=face.grid,
        prediction=runner.classes[best],
        confidence=float(scores[best]),
        truth=None if truth < 0 else runner.classes[truth],  # -1 marks frames without a class
    )
