# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The configs that are shipped, each read once."""

import copy
import functools
from pathlib import Path

from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(p for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts)
BY_NAME = {path.stem: path for path in CONFIGS}


@functools.cache
def _read(path: Path) -> Config:
    return Config.fromfile(path)


def read_config(path: Path | str) -> Config:
    """The config with this path or name; a copy, which may be changed."""
    return copy.deepcopy(_read(BY_NAME.get(path, path)))
