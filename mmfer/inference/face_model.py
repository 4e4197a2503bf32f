# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample

from mmfer.categories import ACTION_UNITS
from mmfer.datasets.transforms.face_geometry import invert, move_points

from .face_cutter import Cut
from .model_facts import class_names, task_of
from .results import KeptPatches

_PIXELS, _SCORES = 3, 6  # decimals


class FaceModel:
    """A model, and what it says of faces, in plain values.

    Args:
        model: In eval mode.
        cfg: Its config.
        meta: ``meta`` of its checkpoint, for the class names. Default: those of the config.

    Attributes:
        task: One of :data:`mmfer.inference.model_facts.ALL_TASKS`.
        classes: Names of its outputs, in order; empty for age and landmarks.
        action_units: Names of the action units that it tells beside them; mostly none.
        num_points: Facial landmarks that it predicts; 0 for other tasks.
    """

    def __init__(self, model: ImageClassifier, cfg: Config, meta: dict | None = None):
        self.model = model
        self.classes = class_names(cfg, meta)
        self.task = task_of(cfg, self.classes)
        units = getattr(model.head, 'num_units', 0)
        named = units == len(ACTION_UNITS)
        self.action_units = ACTION_UNITS if named else tuple(f'unit {i}' for i in range(units))
        self.num_points = getattr(model.head, 'num_points', 0)

    @property
    def patch_stages(self) -> tuple[str, ...]:
        """The backbone's poolings, ``'app'``, ``'layers.4'``, ...; empty where it has none."""
        backbone = self.model.backbone
        if not hasattr(backbone, 'forward_with_indices'):
            return ()
        blocks = range(backbone.atp_start, backbone.num_layers)
        return (*(['app'] if backbone.app else []), *(f'layers.{i}' for i in blocks))

    @torch.no_grad()
    def __call__(self, cuts: Sequence[Cut], patches: bool = False) -> list[dict[str, Any]]:
        """Predict a batch.

        Args:
            cuts: Of one size.
            patches: Whether to tell which patches were kept.

        Returns:
            Of each cut the arguments of :class:`.FaceResult` that the model decides; points are in
            pixels of the picture.
        """
        pixels = torch.from_numpy(np.stack([cut.image for cut in cuts])).permute(0, 3, 1, 2)
        batch = self.model.data_preprocessor(
            dict(inputs=pixels, data_samples=[DataSample() for _ in cuts]), training=False
        )
        kept: dict[str, np.ndarray] = {}
        if patches:
            feats, positions = self.model.backbone.forward_with_indices(batch['inputs'])
            feats = self.model.neck(feats) if self.model.with_neck else feats
            kept = {stage: indices.cpu().numpy() for stage, indices in positions.items()}
        else:
            feats = self.model.extract_feat(batch['inputs'])
        samples = self.model.head.predict(feats, batch['data_samples'])
        results = [self._plain(sample, cut) for sample, cut in zip(samples, cuts, strict=True)]
        if patches:
            grid = tuple(self.model.backbone.grid)
            for index, result in enumerate(results):
                stages = {stage: tuple(rows[index].tolist()) for stage, rows in kept.items()}
                result['patches'] = KeptPatches(grid, stages)
        return results

    def _plain(self, sample: DataSample, cut: Cut) -> dict[str, Any]:
        if self.task == 'age':
            return dict(age=round(float(sample.pred_age), 2))
        if self.task == 'landmarks':
            points = sample.pred_landmarks.double().cpu().numpy()
            points = move_points(points, invert(cut.matrix)).round(_PIXELS)
            return dict(points=tuple(map(tuple, points.tolist())))
        scores = [round(score, _SCORES) for score in sample.pred_score.double().tolist()]
        label = int(sample.pred_score.argmax())
        result = dict(
            label=label,
            class_name=self.classes[label],
            scores=dict(zip(self.classes, scores, strict=True)),
        )
        if self.action_units:
            units = [round(score, _SCORES) for score in sample.pred_au.double().tolist()]
            result['action_units'] = dict(zip(self.action_units, units, strict=True))
        if 'feat' in sample:
            feature = sample.feat.double().cpu().numpy().round(_SCORES)
            result['feature'] = tuple(feature.ravel().tolist())
        return result
