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
    """One image with its predictions, features and kept patches.

    Attributes:
        image (np.ndarray): Input of the network, RGB ``(H, W, 3)``, uint8.
        sample (DataSample): Labels and predictions, on the CPU.
        encoded (np.ndarray): Feature ``(C,)`` of the backbone, averaged over all positions.
        adapted (np.ndarray): Feature ``(C,)`` before the head; differs from ``encoded`` if the neck
            does more than pooling.
        kept (Mapping[str, np.ndarray]): Stage (``'app'``, ``'layers.4'``, ...) -> raster positions
            ``(n,)`` of the patches kept after it; empty for backbones without pooling.
        grid (tuple[int, int], optional): Rows and columns of patches; None for backbones without
            pooling.
        index (int, optional): Index in the dataset; None if the image is not from a dataset.
    """

    image: np.ndarray
    sample: DataSample
    encoded: np.ndarray
    adapted: np.ndarray
    kept: Mapping[str, np.ndarray]
    grid: tuple[int, int] | None = None
    index: int | None = None


class ModelRunner:
    """Runs a trained model on images, for PyTorch and exported models.

    A model is any object with MMEngine's ``test_step``. Its argument is
    ``dict(inputs=..., data_samples=[...])`` with uint8 BGR images, ``(B, 3, H, W)`` or a list of
    ``(3, H, W)``. It returns the samples with the predictions of the head: ``pred_score`` and
    ``pred_label``, ``pred_age``, ``pred_landmarks``, ``pred_au``, ``pred_valence_arousal``,
    ``feat``. Examples are mmpretrain's ``ImageClassifier``, as trained or folded for inference, and
    an exported model.

    Args:
        model (BaseModel): In eval mode.
        cfg (Config): The whole config.
        meta (Mapping[str, Any], optional): ``meta`` of its checkpoint, for the class names.
            Defaults to those of the config.

    Attributes:
        task: One of :data:`mmfer.inference.model_facts.ALL_TASKS`.
        classes: Class names in the order of the outputs; empty for models that do not classify.
        action_units: Names of the predicted action units; for most models none.
        valence_arousal: Whether valence and arousal are predicted, alone or together with classes.
        num_points: Number of predicted facial landmarks; 0 for other tasks.
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
            cfg_options (Iterable[str]): ``KEY=VALUE`` strings that override the config.
            device (str): Where the model runs. Defaults to ``'cpu'``.

        Raises:
            FileNotFoundError: The config or the checkpoint does not exist.
            ValueError: The checkpoint belongs to another model.
        """
        cfg = load_config(config, parse_options(cfg_options))
        model, meta = load_model(cfg, checkpoint, device)
        return cls(model, cfg, meta)

    @property
    def patch_stages(self) -> tuple[str, ...]:
        """Pooling stages of the backbone, ``'app'``, ``'layers.4'``, ...; empty if it has none."""
        backbone = getattr(self.model, 'backbone', None)
        if not hasattr(backbone, 'forward_with_indices'):
            return ()
        blocks = range(backbone.atp_start, backbone.num_layers)
        return (*(['app'] if backbone.app else []), *(f'layers.{i}' for i in blocks))

    @torch.no_grad()
    def predict(self, batch: Mapping[str, Any]) -> list[DataSample]:
        """Predict a batch.

        Args:
            batch (Mapping[str, Any]): ``inputs`` and ``data_samples``, as from a data loader.

        Returns:
            The samples with predictions, on the device of the model.

        Raises:
            NonFinitePredictionError: A prediction is NaN or infinite.
        """
        samples = self.model.test_step(batch)
        check_predictions(samples)
        return samples

    @torch.no_grad()
    def inspect(self, batch: Mapping[str, Any]) -> list[Inspection]:
        """Predict a batch, and also return features and kept patches.

        Args:
            batch (Mapping[str, Any]): See :meth:`predict`.

        Raises:
            TypeError: The model is an exported one, which returns only its outputs.
            NonFinitePredictionError: A prediction is NaN or infinite.
        """
        model = self.model
        if not isinstance(model, ImageClassifier):
            raise TypeError(
                f'features and kept patches need a PyTorch model, not a {type(model).__name__}'
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
        """Inspect a split, batch by batch.

        Args:
            loader (DataLoader): From :func:`.build_split_loader`.
            fields (Iterable[str]): Fields that every sample must have, such as ``'gt_age'``.
                Defaults to none.

        Yields:
            Inspections in the order of the dataset.

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
        remedy = 'the config is for another task'
        if not field.startswith('pred_'):
            remedy = f"pack it with dict(type='PackInputs', algorithm_keys=('{field}',))"
        raise ValueError(
            f'{field} is needed, but missing in the sample '
            f'{sample.get("img_path", "without img_path")} after prediction: {remedy}'
        )


def to_rgb(image: Tensor) -> np.ndarray:
    """Convert a packed BGR image ``(3, H, W)`` to RGB ``(H, W, 3)``, uint8."""
    return image.flip(0).permute(1, 2, 0).to(torch.uint8).contiguous().numpy()


def pack_images(images: Iterable[np.ndarray]) -> dict[str, Any]:
    """Stack faces into a batch.

    Args:
        images (Iterable[np.ndarray]): uint8 ``(H, W, 3)`` in BGR, of one size.

    Returns:
        The argument of :meth:`ModelRunner.predict`.

    Raises:
        ValueError: The images have different sizes.
    """
    images = list(images)
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1:
        raise ValueError(
            f'the test pipeline of the config gives images of different sizes, such as {sizes[0]} '
            f'and {sizes[-1]} (height, width); end it with a step that gives one size, such as '
            'Resize or CenterCrop'
        )
    inputs = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return dict(inputs=inputs, data_samples=[DataSample() for _ in inputs])
