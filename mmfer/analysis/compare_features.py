# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""2-D plots of features of trained models: the KT-Adapter paper's Figures 6 and 7."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmfer.inference.model_runner import Inspection, ModelRunner
from mmfer.inference.split_loader import build_split_loader
from mmfer.visualization.embedding import draw_embedding, most_frequent

#: Ways to color points.
COLORS = ('auto', 'label', 'age', 'none')

_FIELDS = {'label': ('gt_label',), 'age': ('gt_age',), 'none': ()}


@dataclass(frozen=True)
class _Faces:
    """Features of a set of faces from one model.

    Attributes:
        encoded (np.ndarray): Features ``(N, C)`` of the encoder alone.
        adapted (np.ndarray): Input features ``(N, C)`` of the head.
        paths (list[str | None]): Image files; None if the dataset has no paths.
        color (str): One of :data:`COLORS` except ``'auto'``.
        groups (np.ndarray, optional): Classes or ages ``(N,)``; None if ``color`` is ``'none'``.
        classes (tuple[str, ...]): Names of the classes.
    """

    encoded: np.ndarray
    adapted: np.ndarray
    paths: list[str | None]
    color: str
    groups: np.ndarray | None
    classes: tuple[str, ...]

    def keep(self, mask: np.ndarray) -> '_Faces':
        """Return the faces that a mask ``(N,)`` selects."""
        paths = [path for path, stays in zip(self.paths, mask, strict=True) if stays]
        features = self.encoded[mask], self.adapted[mask]
        return _Faces(*features, paths, self.color, self.groups[mask], self.classes)

    def drawing(self) -> dict:
        """Return the arguments of :func:`draw_embedding` that color the points."""
        if self.color == 'label':
            return dict(labels=self.groups, classes=self.classes)
        return dict(ages=self.groups) if self.color == 'age' else {}


def draw_features(
    config: str | Path,
    checkpoint: str | Path,
    *,
    color: str = 'auto',
    split: str = 'test',
    num: int | None = 1000,
    seed: int = 0,
    cfg_options: Iterable[str] = (),
    device: str = 'cpu',
) -> Figure:
    """Draw the features of a model, before and after its KT-Adapter, if it has one.

    Features before the adapter are the average of the canonical encoder's feature map; those after
    it are the input of the decoder.

    Args:
        config (str | Path): Config of the model.
        checkpoint (str | Path): Its weights.
        color (str): Color of the points: ``'label'``, ``'age'``, ``'none'``, or ``'auto'``
            (default): by age if the head predicts ages, else by class if the dataset has classes.
        split (str): Split of the dataset, ``'test'`` (default), ``'val'`` or ``'train'``.
        num (int, optional): Number of faces, spread evenly over the split; None for all. Defaults
            to 1000.
        seed (int): Seed of t-SNE. Defaults to 0.
        cfg_options (Iterable[str]): ``KEY=VALUE`` settings that override the config.
        device (str): Device of the model. Defaults to ``'cpu'``.

    Returns:
        A figure without a window.

    Raises:
        FileNotFoundError: The config or checkpoint does not exist.
        ValueError: The checkpoint belongs to another model, there are fewer than 5 faces, or they
            lack the labels or ages of ``color``.
    """
    faces = _faces_of(config, checkpoint, color, split, num, cfg_options, device)
    panels = {'features of the encoder': faces.encoded}
    if not np.array_equal(faces.encoded, faces.adapted):
        panels = {'before the adapter': faces.encoded, 'after the adapter': faces.adapted}
    title = f'{Path(config).stem}, {len(faces.paths)} faces'
    return draw_embedding(panels, **faces.drawing(), title=title, seed=seed)


def compare_features(
    models: Sequence[tuple[str, str | Path, str | Path]],
    *,
    color: str = 'auto',
    max_classes: int = 10,
    split: str = 'test',
    num: int | None = 1000,
    seed: int = 0,
    cfg_options: Iterable[str] = (),
    device: str = 'cpu',
    title: str | None = None,
) -> Figure:
    """Draw the features of several models for the same faces (KT-Adapter paper, Figures 6 and 7).

    A panel shows the input features of a model's decoder, embedded by t-SNE. The numbers below it
    are computed from the features themselves: t-SNE preserves neighbors, not distances, and each
    panel is a separate run, so the sizes of clusters and the gaps between them mean little.

    Args:
        models (Sequence[tuple[str, str | Path, str | Path]]): Title of the panel, config and
            checkpoint of each model, at least one.
        color (str): See :func:`draw_features`. ``'auto'`` (default) depends on the first model.
        max_classes (int): Largest number of classes or people. If there are more, those with the
            most faces are drawn; ties go to the smaller label. Defaults to 10.
        split (str): See :func:`draw_features`. Defaults to ``'test'``.
        num (int, optional): See :func:`draw_features`. Defaults to 1000.
        seed (int): Seed of t-SNE. Defaults to 0.
        cfg_options (Iterable[str]): ``KEY=VALUE`` settings that override all configs.
        device (str): Device of the models. Defaults to ``'cpu'``.
        title (str, optional): Title of the figure; ``''`` for no title. Defaults to None, the
            number of faces.

    Returns:
        A figure without a window.

    Raises:
        FileNotFoundError: A config or checkpoint does not exist.
        ValueError: A checkpoint belongs to another model, two models have the same title, their
            faces differ, there are fewer than 5, or they lack the labels or ages of ``color``.
    """
    titles = [name for name, _, _ in models]
    if not models or len(set(titles)) < len(titles):
        raise ValueError(f'at least one model is needed, each with a unique title; got {titles}')
    found: dict[str, _Faces] = {}
    for name, config, checkpoint in models:
        faces = _faces_of(config, checkpoint, color, split, num, cfg_options, device)
        first = next(iter(found.values()), faces)
        color = faces.color
        if faces.paths != first.paths or not np.array_equal(faces.groups, first.groups):
            raise ValueError(
                f'{name!r} and {titles[0]!r} have different faces or labels in their {split} '
                f'splits ({len(faces.paths)} and {len(first.paths)} faces); compare models of one '
                'dataset'
            )
        found[name] = faces
    if color == 'label':
        mask = np.isin(first.groups, most_frequent(first.groups, max_classes))
        found = {name: faces.keep(mask) for name, faces in found.items()}
    first = found[titles[0]]
    panels = {name: faces.adapted for name, faces in found.items()}
    if title is None:
        title = f'{len(first.paths)} faces'
    return draw_embedding(panels, **first.drawing(), title=title, seed=seed)


def _faces_of(
    config: str | Path,
    checkpoint: str | Path,
    color: str,
    split: str,
    num: int | None,
    cfg_options: Iterable[str],
    device: str,
) -> _Faces:
    runner = ModelRunner.from_files(str(config), str(checkpoint), cfg_options, device)
    loader = build_split_loader(runner.cfg, split, num)
    classes = tuple(map(str, loader.dataset.dataset.metainfo.get('classes') or ()))
    if color == 'auto':
        color = 'age' if runner.task == 'age' else 'label' if classes else 'none'
    faces = list(runner.inspect_all(loader, _FIELDS[color]))
    if color == 'label':  # -1 marks frames that are labeled only for another task
        faces = [face for face in faces if int(face.sample.gt_label) >= 0]
    return _Faces(
        encoded=np.stack([face.encoded for face in faces]),
        adapted=np.stack([face.adapted for face in faces]),
        paths=[face.sample.get('img_path') for face in faces],
        color=color,
        groups=_groups(faces, color),
        classes=classes,
    )


def _groups(faces: Sequence[Inspection], color: str) -> np.ndarray | None:
    if color == 'label':
        return np.array([int(face.sample.gt_label) for face in faces])
    return np.array([float(face.sample.gt_age) for face in faces]) if color == 'age' else None
