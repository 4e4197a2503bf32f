# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The ratios that tell whether the package has become slower.

Ratios within one run, not times, so that they may be compared between days and machines of a kind.
"""

import copy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch
from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.datasets import SynthFace
from mmfer.models import KTAdapter
from mmfer.models.layers.feature_tokens import pool_feature
from mmfer.registry import DATASETS
from mmfer.utils.picture_size import picture_size
from mmfer.utils.reparameterize import merge_branches

from .models import random_model, random_pictures
from .pipeline import time_pipeline
from .timing import Measurement, Ratio, interleave, ratio
from .variants import make_variant

Clock = Callable[[], float]


@dataclass(frozen=True)
class Check:
    """One ratio and what it should be.

    Attributes:
        name: What is compared.
        measured: The ratio, and its range within the turns.
        limit: Where it should stay.
        at_least: Whether the limit is the least that is good, not the most.
    """

    name: str
    measured: Ratio
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        value = self.measured.value
        return value >= self.limit if self.at_least else value <= self.limit


def with_pooling(cfg: Config, keep_share: float, keep_rate: float) -> Config:
    """The config of an APViT that keeps this share of its patches, and tokens at this rate.

    Raises:
        ValueError: It is no config of an APViT with both poolings.
    """
    backbone = cfg.model.backbone
    if not (backbone.get('app') and backbone.get('atp')):
        raise ValueError(
            f'{cfg.filename} has no model.backbone.app and model.backbone.atp; take a config of an '
            'APViT with both poolings'
        )
    cfg = copy.deepcopy(cfg)
    patches = random_model(cfg).backbone.num_patches
    cfg.model.backbone.app.keep_num = max(round(patches * keep_share), 1)
    cfg.model.backbone.atp.keep_rate = keep_rate
    return cfg


def check_speed_up(
    cfg: Config, best: str, batch_size: int, turns: int, clock: Clock
) -> list[Check]:
    """The plain implementation against APViT, as it is and at its best.

    Args:
        cfg: Of an :class:`APViT`.
        best: Name of the variant.
        batch_size: Pictures at once.
        turns: How often each is timed.
        clock: One of :data:`.CLOCKS`.
    """
    model, pictures = random_model(cfg), random_pictures(cfg, batch_size)
    times = _time(
        {n: make_variant(n, model, pictures) for n in ('plain', 'eager', best)},
        pictures,
        turns,
        clock,
    )
    return [
        Check(f'plain / {name}, batch {batch_size}', ratio(times['plain'], times[name]), 1.3, True)
        for name in ('eager', best)
    ]


def check_pooling(
    cfg: Config, variant: str, batch_size: int, turns: int, clock: Clock
) -> list[Check]:
    """What pooling saves in a large batch, and that it costs nothing at batch 1.

    Shares of patches: 80 and 160 of the paper's 196.
    """
    models: dict[str, ImageClassifier] = {
        name: random_model(with_pooling(cfg, *pooling))
        for name, pooling in (
            ('(80, .6)', (80 / 196, 0.6)),
            ('(160, .9)', (160 / 196, 0.9)),
            ('(196, 1)', (1.0, 1.0)),
        )
    }
    checks = []
    for size, pooled, limit in ((batch_size, '(80, .6)', 0.62), (1, '(160, .9)', 1.0)):
        pictures = random_pictures(cfg, size)
        runs = {
            name: make_variant(variant, models[name], pictures) for name in (pooled, '(196, 1)')
        }
        # One picture is quick, and its time is less certain.
        times = _time(runs, pictures, turns if size > 1 else 4 * turns, clock)
        name = f'{pooled} / (196, 1), batch {size}'
        checks.append(Check(name, ratio(times[pooled], times['(196, 1)']), limit))
    return checks


def check_adapter(cfg: Config, turns: int, clock: Clock) -> list[Check]:
    """What a KT-Adapter adds to the latency of its encoder, for one picture.

    Both encoders are merged. Without an adapter its feature is averaged over all places.

    Raises:
        ValueError: The model has no adapter.
    """
    model = random_model(cfg)
    if not isinstance(model.neck, KTAdapter):
        raise ValueError(f'{cfg.filename} has no KTAdapter as its model.neck')
    neck = copy.deepcopy(model.neck)
    merge_branches(model)
    backbone = model.backbone.to(memory_format=torch.channels_last)
    runs = {
        'encoder': lambda x: pool_feature(backbone(x)),
        'with adapter': lambda x: neck(backbone(x)),
        'with folded adapter': lambda x: model.neck(backbone(x)),
    }
    times = _time(runs, random_pictures(cfg, 1), turns, clock, warm_up=5)
    return [
        Check(f'{name} / encoder, batch 1', ratio(times[name], times['encoder']), 1.03)
        for name in list(runs)[1:]
    ]


def check_data(cfg: Config, turns: int, clock: Clock) -> list[Check]:
    """The config's ``test_pipeline`` and ``train_pipeline`` against decoding and resizing alone.

    Rates are compared. On 200 drawn faces of 112x112 pixels, saved as JPEG: small pictures, as
    those of RAF-DB.
    """
    faces = SynthFace(num_samples=200)
    indices = range(len(faces))
    size, _ = picture_size(cfg)
    checks = []
    with TemporaryDirectory() as folder:
        Path(folder, 'face').mkdir()
        for index in indices:
            cv2.imwrite(f'{folder}/face/{index}.jpg', faces[index]['img'])
        for part in ('test', 'train'):
            pipeline = cfg[f'{part}_pipeline']
            files = DATASETS.build(dict(type='CustomDataset', data_root=folder, pipeline=pipeline))
            times = time_pipeline(files, indices, size, turns, clock)
            rates = ratio(times['bare'], times['pipeline'])
            checks.append(
                Check(f'data pipeline / decode and resize, {part}', rates, 0.8, at_least=True)
            )
    return checks


def check_import(turns: int) -> Check:
    """What ``import mmfer`` adds to ``import mmpretrain``, in processes of their own."""
    runs = {
        code: lambda code=code: subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', code], check=True
        )
        for code in ('import mmpretrain', 'import mmpretrain, mmfer')
    }
    alone, both = interleave(runs, turns).values()
    return Check('import mmpretrain, mmfer / import mmpretrain', ratio(both, alone), 1.1)


@torch.inference_mode()
def _time(
    runs: dict, pictures: Tensor, turns: int, clock: Clock, warm_up: int = 1
) -> dict[str, Measurement]:
    calls = {name: lambda run=run: run(pictures) for name, run in runs.items()}
    return interleave(calls, turns, warm_up, clock)


def check_table(checks: list[Check]) -> str:
    """The checks as text."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        sign = '>=' if check.at_least else '<='
        found = check.measured
        lines.append(
            f'{check.name:{width}}  {found.value:6.3f} ({found.low:.3f} to {found.high:.3f})   '
            f'wanted {sign} {check.limit:.2f}   {"yes" if check.met else "NO"}'
        )
    return '\n'.join(lines)
