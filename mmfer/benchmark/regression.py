# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The ratios that tell whether the package has become slower.

Ratios within one run, not times, so that they may be compared between days and machines of a kind.
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


# Where ratios stay at full size, on one thread of an idle machine: '>=' the least that is good, or
# '<=' the most. Bounds guard against regressions: what was measured, and a margin for other
# machines and days. Where PyTorch and its libraries are held to AVX2, all but the best variant's
# ratio are the same.
_WIDE = torch.backends.cpu.get_cpu_capability().startswith('AVX512')
BOUNDS = {
    # Measured 1.08 to 1.09: APViT as configured must not be slower than the paper written down.
    'eager': ('>=', 1.0),
    # 1.32 to 1.41 with AVX-512; 1.02 (.97 to 1.06) held to AVX2.
    'best': ('>=', 1.2 if _WIDE else 0.95),
    # .53 to .54; .58 of the FLOPs, and something for the selection itself.
    'large batch': ('<=', 0.62),
    # .85 to .87; above 1, pooling costs one image more than it saves.
    'one image': ('<=', 1.0),
    # 1.52 to 1.61. Its 42 MB of weights are read for every image, beside 10 ms of the encoder.
    'adapter': ('<=', 1.9),
    # 1.29 to 1.36, see docs/speed.md for what is left to compute.
    'folded adapter': ('<=', 1.55),
    # .63 and .19: mostly Python, beside JPEG files of a few KB, which decode at once.
    'test': ('>=', 0.5),
    'train': ('>=', 0.14),
    # 1.00 to 1.04; the times of processes vary by a tenth.
    'import': ('<=', 1.15),
}


@dataclass(frozen=True)
class Check:
    """One ratio and what it should be.

    Attributes:
        name (str): What is compared.
        measured (Ratio): The ratio, and its range within the turns.
        limit (float): Where it should stay.
        at_least (bool): Whether the limit is the least that is good, not the most.
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
    """A ratio against its bound."""
    sign, limit = BOUNDS[bound]
    return Check(name, measured, limit, at_least=sign == '>=')


def check_speed_up(
    cfg: Config, best: str, batch_size: int, turns: int, clock: Clock, device: str = 'cpu'
) -> list[Check]:
    """The plain implementation against APViT, as it is and at its best.

    Args:
        cfg (Config): Of an :class:`APViT`.
        best (str): Name of the variant.
        batch_size (int): Images at once.
        turns (int): How often each is timed.
        clock (Clock): One of :data:`.CLOCKS`.
        device (str): Where. Bounds are for ``'cpu'``, the default.
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
    """What pooling saves in a large batch, and that it costs nothing at batch 1.

    Shares of patches: 80 and 160 of the paper's 196.

    Raises:
        ValueError: It is no config of an APViT with both poolings.
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
        # One image is quick, and its time is less certain.
        times = _time(runs, inputs, turns if size > 1 else 4 * turns, clock)
        pooled, whole = times.values()
        checks.append(_check(f'{name} / (196, 1), batch {size}', ratio(pooled, whole), bound))
    return checks


def check_adapter(cfg: Config, turns: int, clock: Clock, device: str = 'cpu') -> list[Check]:
    """What a KT-Adapter adds to the latency of its encoder, for one image.

    Both encoders are merged. Without an adapter its feature is averaged over all places.

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
    """The config's ``test_pipeline`` and ``train_pipeline`` against decoding and resizing alone.

    Rates are compared. On 200 drawn faces of 112x112 pixels, saved as JPEG: small images, as those
    of RAF-DB.
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
    """What ``import mmfer`` adds to ``import mmpretrain``, in processes of their own."""
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
    """The checks as text."""
    lines = [['', 'ratio (range)', 'wanted', 'met']]
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
