# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Speed ratios that detect performance regressions of the package.

They are ratios within one run, not times, so they can be compared between days and between similar
machines.
"""

import copy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch
from mmengine.config import Config

from mmfer.datasets import SynthFace
from mmfer.deployment.untrained import random_model
from mmfer.models import KTAdapter
from mmfer.models.layers.feature_tokens import pool_feature
from mmfer.models.pooling_settings import PoolingSettings, use_pooling
from mmfer.registry import DATASETS
from mmfer.utils.image_size import image_size
from mmfer.utils.markdown import markdown_table
from mmfer.utils.reparameterize import merge_branches

from .pipeline import time_pipeline
from .timing import Ratio, interleave, ratio
from .variants import make_variant, random_inputs

Clock = Callable[[], float]


# Bounds of the ratios for full-size models, with one thread on an idle machine: '>=' lower bound,
# '<=' upper bound. A bound is the measured value plus a margin for other machines and days. If
# PyTorch and its libraries are limited to AVX2, only the ratio of the best variant changes.
_WIDE = torch.backends.cpu.get_cpu_capability().startswith('AVX512')
BOUNDS = {
    # Measured 1.08 to 1.09: APViT as configured must not be slower than the plain implementation.
    'eager': ('>=', 1.0),
    # 1.32 to 1.41 with AVX-512; 1.02 (.97 to 1.06) when limited to AVX2.
    'best': ('>=', 1.2 if _WIDE else 0.95),
    # .53 to .54, for .58 of the FLOPs plus the selection itself.
    'large batch': ('<=', 0.62),
    # .85 to .87; above 1, pooling costs more than it saves for a single image.
    'one image': ('<=', 1.0),
    # 1.52 to 1.61. The adapter reads 42 MB of weights per image; the encoder takes 10 ms.
    'adapter': ('<=', 1.9),
    # 1.29 to 1.36; docs/speed.md explains what remains to be computed.
    'folded adapter': ('<=', 1.55),
    # .63 and .19: mostly Python overhead, since JPEG files of a few KB decode very fast.
    'test': ('>=', 0.5),
    'train': ('>=', 0.14),
    # 1.00 to 1.04; times of processes vary by 10 %.
    'import': ('<=', 1.15),
}


@dataclass(frozen=True)
class Check:
    """A measured ratio and its bound.

    Attributes:
        name (str): Name of the comparison.
        measured (Ratio): The ratio, and its range over the turns.
        limit (float): The bound.
        at_least (bool): Whether the bound is a lower one.
    """

    name: str
    measured: Ratio
    limit: float
    at_least: bool

    @property
    def met(self) -> bool:
        value = self.measured.value
        return value >= self.limit if self.at_least else value <= self.limit


def _check(name: str, measured: Ratio, bound: str) -> Check:
    """Return the check of a ratio against a bound of :data:`BOUNDS`."""
    sign, limit = BOUNDS[bound]
    return Check(name, measured, limit, at_least=sign == '>=')


def check_speed_up(
    cfg: Config, best: str, batch_size: int, turns: int, clock: Clock, device: str = 'cpu'
) -> list[Check]:
    """Time the plain implementation against APViT as configured and its best variant.

    Args:
        cfg (Config): Config of an :class:`APViT`.
        best (str): Name of the best variant, see :data:`.VARIANTS`.
        batch_size (int): Batch size.
        turns (int): Timed calls per variant.
        clock (Clock): One of :data:`.CLOCKS`.
        device (str): Device of the models. Defaults to ``'cpu'``, for which the bounds apply.
    """
    model, inputs = random_model(cfg).to(device), random_inputs(cfg, batch_size, device)
    variants = {name: make_variant(name, model, inputs) for name in ('plain', 'eager', best)}
    times = _time(variants, inputs, turns, clock)
    return [
        _check(f'plain / {name}, batch {batch_size}', ratio(times['plain'], times[name]), bound)
        for name, bound in (('eager', 'eager'), (best, 'best'))
    ]


def check_pooling(
    cfg: Config, variant: str, batch_size: int, turns: int, clock: Clock, device: str = 'cpu'
) -> list[Check]:
    """Time models with pooling against models without it, in a large batch and for one image.

    The models keep 80 and 160 of the paper's 196 patches, or the same shares of other grids.

    Raises:
        ValueError: The config is not one of an APViT with both poolings.
    """
    model = random_model(cfg).to(device)
    checks = []
    for size, name, share, rate, bound in (
        (batch_size, '(80, .6)', 80 / 196, 0.6, 'large batch'),
        (1, '(160, .9)', 160 / 196, 0.9, 'one image'),
    ):
        inputs = random_inputs(cfg, size, device)
        runs = {}
        for pooling, keep_share, keep_rate in ((name, share, rate), ('(196, 1)', 1.0, 1.0)):
            keep_num = max(round(model.backbone.num_patches * keep_share), 1)
            with use_pooling(model.backbone, PoolingSettings(keep_num, keep_rate)):
                runs[pooling] = make_variant(variant, model, inputs)  # a copy
        # One image takes little time, so its measurement is noisier.
        times = _time(runs, inputs, turns if size > 1 else 4 * turns, clock)
        pooled, whole = times.values()
        checks.append(_check(f'{name} / (196, 1), batch {size}', ratio(pooled, whole), bound))
    return checks


def check_adapter(cfg: Config, turns: int, clock: Clock, device: str = 'cpu') -> list[Check]:
    """Time an encoder with a KT-Adapter against the encoder alone, for one image.

    The branches of the encoder are merged. Without an adapter, its feature map is averaged.

    Raises:
        ValueError: The model has no adapter.
    """
    model = random_model(cfg).to(device)
    if not isinstance(model.neck, KTAdapter):
        raise ValueError(f'{cfg.filename} has no KTAdapter as its model.neck')
    neck = copy.deepcopy(model.neck)
    merge_branches(model)
    backbone = model.backbone.to(memory_format=torch.channels_last)
    runs = {
        'encoder': lambda x: pool_feature(backbone(x)),
        'adapter': lambda x: neck(backbone(x)),
        'folded adapter': lambda x: model.neck(backbone(x)),
    }
    times = _time(runs, random_inputs(cfg, 1, device), turns, clock, warm_up=5)
    return [
        _check(f'with {name} / encoder, batch 1', ratio(times[name], times['encoder']), name)
        for name in ('adapter', 'folded adapter')
    ]


def check_data(cfg: Config, turns: int, clock: Clock) -> list[Check]:
    """Time ``test_pipeline`` and ``train_pipeline`` against only decoding and resizing.

    The ratios compare images per second. The images are 200 drawn faces of 112x112 pixels, saved as
    JPEG. They are about as small as those of RAF-DB.
    """
    faces = SynthFace(num_samples=200)
    indices = range(len(faces))
    size, _ = image_size(cfg)
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
            checks.append(_check(f'data pipeline / decode and resize, {part}', rates, part))
    return checks


def check_import(turns: int) -> list[Check]:
    """Time ``import mmpretrain, mmfer`` against ``import mmpretrain``, in new processes."""
    runs = {
        code: partial(subprocess.run, [sys.executable, '-W', 'ignore', '-c', code], check=True)
        for code in ('import mmpretrain', 'import mmpretrain, mmfer')
    }
    alone, both = interleave(runs, turns).values()
    return [_check('import mmpretrain, mmfer / import mmpretrain', ratio(both, alone), 'import')]


@torch.inference_mode()
def _time(runs: dict, inputs: torch.Tensor, turns: int, clock: Clock, warm_up: int = 1) -> dict:
    calls = {name: partial(run, inputs) for name, run in runs.items()}
    return interleave(calls, turns, warm_up, clock)


def check_table(checks: list[Check]) -> str:
    """Return the checks as a table."""
    lines = [['', 'ratio (range)', 'bound', 'met']]
    for row in checks:
        found = row.measured
        sign = '>=' if row.at_least else '<='
        lines.append(
            [
                row.name,
                f'{found.value:.3f} ({found.low:.3f} to {found.high:.3f})',
                f'{sign} {row.limit:.2f}',
                'yes' if row.met else 'NO',
            ]
        )
    return markdown_table(lines)
