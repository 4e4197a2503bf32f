# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Models with random weights for tests and benchmarks, in which every layer has an effect."""

import copy

import torch
from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from mmfer.inference.load_model import build_model
from mmfer.models.heads import AgeHead
from mmfer.utils.config_options import walk

_DEVIATION = 0.02
_YEARS = 20.0


def random_model(cfg: Config, seed: int = 0) -> ImageClassifier:
    """Build the model of a config in eval mode, with random weights, see :func:`shake_weights`.

    Checkpoint files in the config are not read. The state of the global generator is not changed.

    Args:
        cfg (Config): The whole config.
        seed (int): Seed of the weights. Defaults to 0.
    """
    cfg = copy.deepcopy(cfg)
    for _, node in walk(dict(model=cfg.model)):
        if isinstance(node, dict):
            node.update({key: None for key in ('init_cfg', 'checkpoint') if node.get(key)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(cfg)
    shake_weights(model, seed)
    return model.eval()


@torch.no_grad()
def shake_weights(model: nn.Module, seed: int = 0) -> None:
    """Add small noise to every weight of an initialized model, and more to BatchNorm statistics.

    Initial weights hide mistakes: class token, position embedding and the last norm of a KT-Adapter
    are initialized with zeros, so the layers before them have no effect on the output, and
    BatchNorm is initially the identity.

    Args:
        model (nn.Module): The model; changed in place.
        seed (int): Seed of the noise; the global generator is not used. Defaults to 0.
    """
    generator = torch.Generator().manual_seed(seed)
    for value in model.parameters():
        noise = torch.randn(value.shape, generator=generator) * _DEVIATION
        value.add_(noise.to(value))
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats:
            mean = torch.randn(part.num_features, generator=generator) * 0.1
            part.running_mean.add_(mean.to(part.running_mean))
            scale = 0.75 + 0.5 * torch.rand(part.num_features, generator=generator)
            part.running_var.mul_(scale.to(part.running_var))


@torch.no_grad()
def spread_ages(model: ImageClassifier, inputs: Tensor) -> None:
    """Scale an untrained age model so that its predictions are within its age range.

    Predictions outside of the range are clamped, and clamped values hide differences between
    models.

    Args:
        model (ImageClassifier): The model in eval mode. The ``age_scale`` of an :class:`AgeHead`
            may be reduced. Other models are not changed.
        inputs (Tensor): Normalized images ``(B, 3, H, W)``. Their ages are then at most 20 years
            from ``mean_age``; ages of other images may be slightly farther.
    """
    head = model.head
    if not isinstance(head, AgeHead):
        return
    farthest = (head(model.extract_feat(inputs)) - head.mean_age).abs().max().item()
    if farthest > _YEARS:
        head.age_scale *= _YEARS / farthest
