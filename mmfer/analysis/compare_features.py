# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Features of trained models in the plane: the KT-Adapter paper's Figures 6 and 7."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmfer.inference.model_runner import Inspection, ModelRunner
from mmfer.inference.split_loader import build_split_loader
from mmfer.visualization.embedding import draw_embedding

#: What points may be colored by.
COLORS = ('auto', 'label', 'age', 'none')

_FIELDS = {'label': ('gt_label',), 'age': ('gt_age',), 'none': ()}


@dataclass(frozen=True)
class _Faces:
    """Test images, as one model sees them.

    Attributes:
        encoded (np.ndarray): Features ``(N, C)`` of the encoder alone.
        adapted (np.ndarray): Features ``(N, C)`` that the head gets.
        paths (list[str | None]): Their files; None where the data does not say.
        color (str): One of :data:`COLORS`, no longer ``'auto'``.
        groups (np.ndarray, optional): Classes or ages ``(N,)``; None without color.
        classes (tuple[str, ...]): Names of the classes.
    """

    encoded: np.ndarray
    adapted: np.ndarray
    paths: list[str | None]
    color: str
    groups: np.ndarray | None
    classes: tuple[str, ...]

    def keep(self, chosen: np.ndarray) -> '_Faces':
        """Those of a mask ``(N,)`` alone."""
        paths = [path for path, stays in zip(self.paths, chosen, strict=True) if stays]
        features = self.encoded[chosen], self.adapted[chosen]
        return _Faces(*features, paths, self.color, self.groups[chosen], self.classes)

    def drawing(self) -> dict:
        """What :func:`draw_embedding` colors points by."""
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
    """Draw what a model makes of faces, before and after its KT-Adapter, if it has one.

    Before is the average of the canonical encoder's map, after is what the decoder gets.

    Args:
        config (str | Path): Config of the model.
        checkpoint (str | Path): Its weights.
        color (str): What points are colored by: ``'label'``, ``'age'``, ``'none'``, or ``'auto'``
            (default): by class where the data has classes, by age where the head predicts ages.
        split (str): Whose faces, ``'test'`` (default), ``'val'`` or ``'train'``.
        num (int, optional): How many, spread evenly over the split; None for all. Defaults to 1000.
        seed (int): Of t-SNE. Defaults to 0.
        cfg_options (Iterable[str]): ``KEY=VALUE`` settings that override the config.
        device (str): Where the model runs. Defaults to ``'cpu'``.

    Returns:
        A figure that belongs to no window.

    Raises:
        FileNotFoundError: Config or checkpoint is not there.
        ValueError: The checkpoint is one of another model, there are fewer than 5 faces, or they
            lack what they are to be colored by.
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
    """Draw what several models make of the same faces: the KT-Adapter paper's Figures 6 and 7.

    A panel shows what a model's decoder gets, as t-SNE places it. The numbers under it are about
    the features themselves: t-SNE keeps neighbors, not distances, and each panel is a run of its
    own, so that sizes and gaps of clusters say little.

    Args:
        models (Sequence[tuple[str, str | Path, str | Path]]): Title of the panel, config and
            checkpoint of each model, at least one.
        color (str): See :func:`draw_features`; ``'auto'`` asks the first model.
        max_classes (int): Of more classes or people, those with the most faces are drawn, and of
            equals the first ones. Defaults to 10.
        split (str): See :func:`draw_features`.
        num (int, optional): The same. Defaults to 1000.
        seed (int): Of t-SNE. Defaults to 0.
        cfg_options (Iterable[str]): ``KEY=VALUE`` settings that override all configs.
        device (str): Where the models run. Defaults to ``'cpu'``.
        title (str, optional): Headline. Defaults to None: how many faces there are; ``''`` for
            none.

    Returns:
        A figure that belongs to no window.

    Raises:
        FileNotFoundError: A config or checkpoint is not there.
        ValueError: A checkpoint is one of another model, two models have one title, their faces are
            not the same, there are fewer than 5, or they lack what they are to be colored by.
    """
    titles = [name for name, _, _ in models]
    if not models or len(set(titles)) < len(titles):
        raise ValueError(f'every model needs a title of its own, and at least one; got {titles}')
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
        chosen = np.isin(first.groups, most_frequent(first.groups, max_classes))
        found = {name: faces.keep(chosen) for name, faces in found.items()}
    first = found[titles[0]]
    panels = {name: faces.adapted for name, faces in found.items()}
    if title is None:
        title = f'{len(first.paths)} faces'
    return draw_embedding(panels, **first.drawing(), title=title, seed=seed)


def most_frequent(labels: np.ndarray, num: int) -> np.ndarray:
    """The ``num`` labels that ``(N,)`` holds most often, in ascending order.

    Of labels that are equally frequent the smaller ones are taken.
    """
    present, counts = np.unique(labels, return_counts=True)
    return np.sort(present[np.argsort(-counts, kind='stable')[:num]])


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
    if color == 'label':  # -1 is for frames that are labeled for another task only
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
