# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import init_default_scope
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.datasets.transforms import LoadFaceImage
from mmfer.registry import DATASETS, MODELS
from mmfer.utils.config_options import parse_options
from mmfer.utils.safe_load import load_checkpoint_file
from mmfer.utils.state_dicts import compare_state_dicts, unwrap
from mmfer.visualization.pooling import PooledFace

from .launch import load_config


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
        preprocessor = cfg.get('data_preprocessor')
        model = MODELS.build(dict(cfg.model, data_preprocessor=preprocessor))
        content = load_checkpoint_file(checkpoint)
        weights = unwrap(content)
        report = compare_state_dicts(model.state_dict(), weights)
        if report.missing or report.reshaped:
            raise ValueError(
                f'{checkpoint} is no checkpoint of {config}: {report}\n{report.details(5)}'
            )
        model.load_state_dict(weights, strict=False)
        model.to(device).eval()
        meta = content.get('meta', {}).get('dataset_meta', {})
        classes = meta.get('classes') or range(model.head.num_classes)
        return cls(model, cfg, map(str, classes))

    def inspect_test_set(self, num: int) -> list[PooledFace]:
        """Inspect ``num`` faces spread evenly over the config's test set."""
        dataset = DATASETS.build(self.cfg.test_dataloader.dataset)
        indices = np.linspace(0, len(dataset) - 1, min(num, len(dataset))).round().astype(int)
        return [self._inspect(dataset[int(i)]) for i in indices]

    def inspect_file(self, path: str) -> PooledFace:
        """Inspect one picture of an aligned face.

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
        return self._inspect(Compose([LoadFaceImage(), *steps])(dict(img_path=path)))

    @torch.no_grad()
    def _inspect(self, packed: dict) -> PooledFace:
        batch = self.model.data_preprocessor(default_collate([packed]), training=False)
        features, kept = self.model.backbone.forward_with_indices(batch['inputs'])
        scores = self.model.head(features).softmax(dim=-1)[0]
        best = int(scores.argmax())
        sample = packed['data_samples']
        truth = int(sample.gt_label) if 'gt_label' in sample else None
        return PooledFace(
            image=_to_rgb(packed['inputs']),
            kept={stage: positions[0].cpu().numpy() for stage, positions in kept.items()},
            grid=self.model.backbone.grid,
            prediction=self.classes[best],
            confidence=float(scores[best]),
            truth=None if truth is None else self.classes[truth],
        )


def _to_rgb(image: Tensor) -> np.ndarray:
    """A packed BGR picture ``(3, H, W)`` as RGB ``(H, W, 3)``, uint8."""
    return image.flip(0).permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
