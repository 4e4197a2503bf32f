# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import save_checkpoint
from mmpretrain.models import ImageClassifier
from mmpretrain.models.heads import LinearClsHead, StackedLinearClsHead
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from mmfer.checkpoint.plain import to_plain
from mmfer.checkpoint.safe_load import load_weights
from mmfer.evaluation.functional.calibration import Reliability, fit_temperature, reliability
from mmfer.inference.model_runner import ModelRunner
from mmfer.inference.split_loader import build_split_loader
from mmfer.utils import atomic_file  # noqa: F401  registers the backend

_SUFFIXES = ('.pth', '.pt')
_DECIMALS = 5


@dataclass(frozen=True)
class Calibration:
    """Calibration of a model before and after temperature scaling.

    Attributes:
        facts (dict[str, Any]): ``split``, ``images``, ``temperature``, ``bins``, and ``ece``
            (percent) and ``nll``, each ``_before`` and ``_after``; stored in the checkpoint as
            ``meta.calibration``.
        before (Reliability): Confidence and accuracy as trained.
        after (Reliability): Confidence and accuracy with the temperature.
    """

    facts: dict[str, Any]
    before: Reliability
    after: Reliability


@torch.no_grad()
def calibrate_model(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    cfg_options: Iterable[str] = (),
    device: str = 'cpu',
) -> Calibration:
    """Calibrate the scores of a classifier by temperature scaling.

    The temperature with the smallest negative log-likelihood on the validation split is used. The
    weights and the bias of the last layer are divided by it, so the predicted classes stay the
    same, and everything that runs the model returns calibrated scores.

    Args:
        config (str | Path): Config file that the model was trained with.
        checkpoint (str | Path): The trained checkpoint.
        out (str | Path): File to write, .pth or .pt: ``dict(state_dict=..., meta=...)`` with the
            weights and ``meta`` of ``checkpoint``, without the optimizer.
        cfg_options (Iterable[str]): ``KEY=VALUE`` strings that override the config.
        device (str): Where the model runs. Defaults to ``'cpu'``.

    Raises:
        FileNotFoundError: The config, the checkpoint or the validation split does not exist.
        ValueError: The head is not a linear classifier, the model is already calibrated, no
            temperature fits it, or ``out`` has another suffix.
    """
    if Path(out).suffix not in _SUFFIXES:
        raise ValueError(f'{out} (--out): the file name must end in {" or ".join(_SUFFIXES)}')
    weights, meta = load_weights(str(checkpoint))
    if 'calibration' in meta:
        raise ValueError(f'{checkpoint} is already calibrated: use the one that training saved')
    runner = ModelRunner.from_files(str(config), str(checkpoint), cfg_options, device)
    layer = _last_layer(runner.model)
    logits, labels = _predict(runner.model, build_split_loader(runner.cfg, 'val'))
    temperature = fit_temperature(logits, labels)
    scaled = logits / temperature
    before, after = (reliability(z.softmax(1), labels) for z in (logits, scaled))
    facts = dict(
        split='val',
        images=len(labels),
        temperature=round(temperature, _DECIMALS),
        bins=len(before.counts),
        ece_before=round(before.error, _DECIMALS),
        ece_after=round(after.error, _DECIMALS),
        nll_before=round(cross_entropy(logits, labels).item(), _DECIMALS),
        nll_after=round(cross_entropy(scaled, labels).item(), _DECIMALS),
    )
    for name, value in runner.model.named_parameters():
        if any(value is own for own in layer.parameters()):
            weights[name] = weights[name] / temperature
    content = dict(meta=to_plain(dict(meta, calibration=facts)), state_dict=weights)
    save_checkpoint(content, str(out), backend_args=dict(backend='atomic'))
    return Calibration(facts, before, after)


def _last_layer(model: ImageClassifier) -> nn.Linear:
    """Return the layer that outputs the logits of a softmax."""
    head = model.head if model.with_head else None
    if isinstance(head, (LinearClsHead, StackedLinearClsHead)):
        layer = getattr(head.fc, 'fc', head.fc)
        if isinstance(layer, nn.Linear):
            return layer
    raise ValueError(
        f'a {type(head).__name__} (model.head) cannot be calibrated: temperature scaling needs the '
        'linear layer of a LinearClsHead, StackedLinearClsHead or MLPClsHead'
    )


def _predict(model: ImageClassifier, loader: DataLoader) -> tuple[Tensor, Tensor]:
    """Return logits ``(N, C)``, float64, and labels ``(N,)`` of all labeled images."""
    logits, labels = [], []
    for batch in loader:
        data = model.data_preprocessor(batch, training=False)
        logits.append(model(data['inputs'], mode='tensor').cpu().double())
        for sample in data['data_samples']:
            if 'gt_label' not in sample:
                raise ValueError('a sample of val_dataloader has no gt_label')
            labels.append(sample.gt_label.cpu())
    logits, labels = torch.cat(logits), torch.cat(labels)
    return logits[labels >= 0], labels[labels >= 0]
