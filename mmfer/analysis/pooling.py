# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import init_default_scope
from mmpretrain.models import ImageClassifier

from mmfer.datasets.transforms import LoadFaceImage
from mmfer.engine.launch import load_config
from mmfer.inference.load_model import load_model
from mmfer.inference.model_facts import class_names
from mmfer.registry import DATASETS
from mmfer.utils.config_options import parse_options
from mmfer.visualization.pooling import PooledFace

from .predictions import to_rgb


class PoolingInspector:
    """Runs a classifier on faces and keeps which patches its poolings left over.

    Args:
        model (ImageClassifier): In eval mode; its backbone has ``forward_with_indices``.
        cfg (Config): The whole config; its ``test_dataloader`` says how pictures are prepared.
        classes (Iterable[str]): Class names in the order of the model's outputs.
    """

    def __init__(self, model: ImageClassifier, cfg: Config, classes: Iterable[str]):
        if not hasattr(model.backbone, 'forward_with_indices'):
            raise TypeError(
                f'{type(model.backbone).__name__} does not tell which patches it keeps; the config '
                'needs model.backbone.type=APViT'
            )
        self.model = model
        self.cfg = cfg
        self.classes = tuple(classes)

    @classmethod
    def from_files(
        cls, config: str, checkpoint: str, cfg_options: Iterable[str] = (), device: str = 'cpu'
    ) -> 'PoolingInspector':
        """Build the model of a config and load a checkpoint into it.

        Raises:
            ValueError: The checkpoint is one of another model.
        """
        cfg = load_config(config, parse_options(cfg_options))
        init_default_scope(cfg.get('default_scope', 'mmfer'))
        model, meta = load_model(cfg, checkpoint, device)
        return cls(model, cfg, class_names(cfg, meta))

    def test_samples(self, num: int) -> list[dict]:
        """``num`` samples spread evenly over the config's test set, as its pipeline packs them."""
        dataset = DATASETS.build(self.cfg.test_dataloader.dataset)
        indices = np.linspace(0, len(dataset) - 1, min(num, len(dataset))).round().astype(int)
        return [dataset[int(i)] for i in indices]

    def read_file(self, path: str) -> dict:
        """One picture of an aligned face, packed as those of the test set are.

        Raises:
            UnreadableImageError: The file cannot be read as a picture.
        """
        steps = [
            step
            for step in self.cfg.test_dataloader.dataset.pipeline
            if not str(step['type']).startswith('Load')
        ]
        if not any(step['type'] in ('Resize', 'ResizeEdge') for step in steps):
            # Datasets that draw their pictures give them in the right size.
            steps.insert(0, dict(type='Resize', scale=tuple(self.model.backbone.img_size[::-1])))
        return Compose([LoadFaceImage(), *steps])(dict(img_path=path))

    def inspect_test_set(self, num: int) -> list[PooledFace]:
        """Inspect ``num`` faces spread evenly over the config's test set."""
        return [self.inspect(sample) for sample in self.test_samples(num)]

    def inspect_file(self, path: str) -> PooledFace:
        """Inspect one picture of an aligned face.

        Raises:
            UnreadableImageError: The file cannot be read as a picture.
        """
        return self.inspect(self.read_file(path))

    @torch.no_grad()
    def inspect(self, packed: dict) -> PooledFace:
        """Inspect one packed sample."""
        batch = self.model.data_preprocessor(default_collate([packed]), training=False)
        features, kept = self.model.backbone.forward_with_indices(batch['inputs'])
        scores = self.model.head(features).softmax(dim=-1)[0]
        best = int(scores.argmax())
        sample = packed['data_samples']
        truth = int(sample.gt_label) if 'gt_label' in sample else -1
        return PooledFace(
            image=to_rgb(packed['inputs']),
            kept={stage: positions[0].cpu().numpy() for stage, positions in kept.items()},
            grid=self.model.backbone.grid,
            prediction=self.classes[best],
            confidence=float(scores[best]),
            truth=None if truth < 0 else self.classes[truth],  # -1 is for frames without a class
        )
