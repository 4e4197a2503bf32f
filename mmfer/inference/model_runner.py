# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.utils.data import DataLoader

from mmfer.engine.launch import load_config
from mmfer.evaluation.finite_predictions import check_predictions
from mmfer.models.layers.feature_tokens import pool_feature
from mmfer.utils.config_options import parse_options

from .load_model import load_model
from .model_facts import (
    action_unit_names,
    class_names,
    has_valence_arousal,
    num_points,
    task_of,
)


@dataclass(frozen=True)
class Inspection:
    """One image, what a model predicts of it, and what happened on the way.

    Attributes:
        image (np.ndarray): What went into the network, RGB ``(H, W, 3)``, uint8.
        sample (DataSample): Labels and predictions, on the CPU.
        encoded (np.ndarray): Feature ``(C,)`` of the backbone alone, averaged over all places.
        adapted (np.ndarray): Feature ``(C,)`` that the head got, which differs from the former
            where the neck does more than pooling.
        kept (Mapping[str, np.ndarray]): Stage (``'app'``, ``'layers.4'``, ...) -> raster positions
            ``(n,)`` of the patches left after it; empty for backbones without poolings.
        grid (tuple[int, int], optional): Rows and columns of patches; None for backbones without.
        index (int, optional): Its number in the dataset; None where it is not from one.
    """

    image: np.ndarray
    sample: DataSample
    encoded: np.ndarray
    adapted: np.ndarray
    kept: Mapping[str, np.ndarray]
    grid: tuple[int, int] | None = None
    index: int | None = None


class ModelRunner:
    """Runs a trained model on images, whatever form the model has.

    A model is all that answers MMEngine's ``test_step``: it takes
    ``dict(inputs=..., data_samples=[...])`` with uint8 BGR images, ``(B, 3, H, W)`` or a list of
    ``(3, H, W)``, and returns the samples with what a head's ``predict`` writes: ``pred_score`` and
    ``pred_label``, ``pred_age``, ``pred_landmarks``, ``pred_au``, ``pred_valence_arousal``,
    ``feat``. That is mmpretrain's ``ImageClassifier``, as trained or folded for inference, and an
    exported model.

    Args:
        model (BaseModel): In eval mode.
        cfg (Config): The whole config.
        meta (Mapping[str, Any], optional): ``meta`` of its checkpoint, for the class names.
            Defaults to those of the config.

    Attributes:
        task: One of :data:`mmfer.inference.model_facts.ALL_TASKS`.
        classes: Names of the outputs, in order; empty but for classifiers.
        action_units: Names of the action units predicted beside them; mostly none.
        valence_arousal: Whether both are predicted, alone or beside classes.
        num_points: Facial landmarks predicted; 0 for other tasks.
    """

    def __init__(self, model: BaseModel, cfg: Config, meta: Mapping[str, Any] | None = None):
        self.model = model
        self.cfg = cfg
        self.classes = class_names(cfg, meta)
        self.task = task_of(cfg, self.classes)
        self.action_units = action_unit_names(cfg)
        self.valence_arousal = has_valence_arousal(cfg)
        self.num_points = num_points(cfg)

    @classmethod
    def from_files(
        cls, config: str, checkpoint: str, cfg_options: Iterable[str] = (), device: str = 'cpu'
    ) -> 'ModelRunner':
        """Build the model of a config and load a checkpoint into it.

        Args:
            config (str): Config file.
            checkpoint (str): Its weights.
            cfg_options (Iterable[str]): ``KEY=VALUE`` words that override the config.
            device (str): Where the model runs. Defaults to ``'cpu'``.

        Raises:
            FileNotFoundError: There is no such config or checkpoint.
            ValueError: The checkpoint is one of another model.
        """
        cfg = load_config(config, parse_options(cfg_options))
        model, meta = load_model(cfg, checkpoint, device)
        return cls(model, cfg, meta)

    @property
    def patch_stages(self) -> tuple[str, ...]:
        """The backbone's poolings, ``'app'``, ``'layers.4'``, ...; empty where it has none."""
        backbone = getattr(self.model, 'backbone', None)
        if not hasattr(backbone, 'forward_with_indices'):
            return ()
        blocks = range(backbone.atp_start, backbone.num_layers)
        return (*(['app'] if backbone.app else []), *(f'layers.{i}' for i in blocks))

    @torch.no_grad()
    def predict(self, batch: Mapping[str, Any]) -> list[DataSample]:
        """Predict a batch.

        Args:
            batch (Mapping[str, Any]): ``inputs`` and ``data_samples``, as a data loader gives them.

        Returns:
            The samples with predictions, where the model is.

        Raises:
            NonFinitePredictionError: A prediction is NaN or infinite.
        """
        samples = self.model.test_step(batch)
        check_predictions(samples)
        return samples

    @torch.no_grad()
    def inspect(self, batch: Mapping[str, Any]) -> list[Inspection]:
        """Predict a batch, and keep features and which patches are left.

        Args:
            batch (Mapping[str, Any]): See :meth:`predict`.

        Raises:
            TypeError: The model is an exported one, of which only the outputs are known.
            NonFinitePredictionError: A prediction is NaN or infinite.
        """
        model = self.model
        if not isinstance(model, ImageClassifier):
            raise TypeError(
                f'features and patches are those of a model in PyTorch, not of a '
                f'{type(model).__name__}'
            )
        data = model.data_preprocessor(batch, training=False)
        kept: dict[str, Tensor] = {}
        grid = None
        if hasattr(model.backbone, 'forward_with_indices'):
            maps, kept = model.backbone.forward_with_indices(data['inputs'])
            grid = model.backbone.grid_of(data['inputs'].shape[2:])
        else:
            maps = model.backbone(data['inputs'])
        feats = model.neck(maps) if model.with_neck else maps
        samples = model.head.predict(feats, data['data_samples'])
        check_predictions(samples)
        encoded, adapted = (pool_feature(x).float().cpu().numpy() for x in (maps, feats))
        kept = {stage: positions.cpu().numpy() for stage, positions in kept.items()}
        rows = zip(batch['inputs'], samples, encoded, adapted, strict=True)
        return [
            Inspection(
                to_rgb(image),
                sample.cpu(),
                before,
                after,
                {stage: positions[row] for stage, positions in kept.items()},
                grid,
            )
            for row, (image, sample, before, after) in enumerate(rows)
        ]

    def inspect_all(self, loader: DataLoader, fields: Iterable[str] = ()) -> Iterator[Inspection]:
        """Inspect a split, one batch after the other.

        Args:
            loader (DataLoader): From :func:`.build_split_loader`.
            fields (Iterable[str]): What the caller will read of every sample, such as ``'gt_age'``.

        Yields:
            Inspections in the dataset's order.

        Raises:
            ValueError: A sample lacks one of the fields.
        """
        indices = iter(loader.dataset.indices)
        for batch in loader:
            for face in self.inspect(batch):
                _require(face.sample, fields)
                yield replace(face, index=next(indices))


def _require(sample: DataSample, fields: Iterable[str]) -> None:
    for field in fields:
        if field in sample:
            continue
        remedy = 'the config is one of another task'
        if not field.startswith('pred_'):
            remedy = f"pack it with dict(type='PackInputs', algorithm_keys=('{field}',))"
        raise ValueError(
            f'this needs {field}, and the sample {sample.get("img_path", "without img_path")} has '
            f'none after prediction: {remedy}'
        )


def to_rgb(image: Tensor) -> np.ndarray:
    """A packed BGR image ``(3, H, W)`` as RGB ``(H, W, 3)``, uint8."""
    return image.flip(0).permute(1, 2, 0).to(torch.uint8).contiguous().numpy()


def pack_images(images: Iterable[np.ndarray]) -> dict[str, Any]:
    """A batch of faces that were cut out.

    Args:
        images (Iterable[np.ndarray]): uint8 ``(H, W, 3)`` in BGR, of one size.

    Returns:
        What :meth:`ModelRunner.predict` takes.
    """
    inputs = torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2)
    return dict(inputs=inputs, data_samples=[DataSample() for _ in inputs])
