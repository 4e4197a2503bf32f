# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Random weights that hide no mistakes."""

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
    """The model of a config in eval mode, with random weights and no weight at rest.

    Files that the config names are not read. The global generator is left alone.

    Args:
        cfg (Config): The whole config.
        seed (int): Of the weights. Defaults to 0.
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
    """Move every weight of a fresh model a little, and the statistics of its BatchNorm a lot.

    Fresh weights hide mistakes: class token, position embedding and the last norm of a KT-Adapter
    begin as zeros, so what comes before them reaches no output, and BatchNorm begins as the
    identity.

    Args:
        model (nn.Module): Changed in place.
        seed (int): Of the numbers drawn; the global generator is left alone.
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
    """Let a fresh age model give ages within its range.

    Others are clamped, and all that are clamped look alike, whatever the model computes.

    Args:
        model (ImageClassifier): In eval mode. The ``age_scale`` of an :class:`AgeHead` may become
            smaller.
        inputs (Tensor): Images ``(B, 3, H, W)``, normalized; of other images ages may be a bit
            farther from ``mean_age`` than the 20 years that are the most for these.
    """
    head = model.head
    if not isinstance(head, AgeHead):
        return
    farthest = (head(model.extract_feat(inputs)) - head.mean_age).abs().max().item()
    if farthest > _YEARS:
        head.age_scale *= _YEARS / farthest
