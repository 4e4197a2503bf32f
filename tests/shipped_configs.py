# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The shipped configs, each read once, and the variants that the indices build from them."""

import copy
import functools
import json
from pathlib import Path

from mmengine.config import Config

from mmfer.reproduction.index import Index
from mmfer.reproduction.variants import Variants
from mmfer.utils.image_size import image_size

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(p for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts)
BY_NAME = {path.stem: path for path in CONFIGS}
PAPERS = ('apvit', 'kt_adapter')
#: Keys that do not change the graph of a training step.
_NOT_OF_THE_GRAPH = ('init_cfg', 'checkpoint', 'num_classes')


@functools.cache
def _read(path: Path) -> Config:
    return Config.fromfile(path)


def read_config(path: Path | str) -> Config:
    """Return the config with this path or name; a copy that may be changed."""
    return copy.deepcopy(_read(BY_NAME.get(path, path)))


@functools.cache
def variants(paper: str) -> Variants:
    """Return the variants of ``configs/PAPER/experiments.yml``."""
    return Variants(Index.from_file(ROOT / 'configs' / paper / 'experiments.yml'))


def write_variant(folder: Path, variant: str, database: str, paper: str = 'kt_adapter') -> Path:
    """Write the config of a variant to a file and return it."""
    path = folder / f'{variant}_{database}.py'
    variants(paper).config(database, variant).dump(path)
    return path


def graph_of(model):
    """Return the settings of a model that change its graph."""
    if isinstance(model, dict):
        return {k: graph_of(v) for k, v in model.items() if k not in _NOT_OF_THE_GRAPH}
    return [graph_of(v) for v in model] if isinstance(model, (list, tuple)) else model


def key_of(cfg: Config) -> str:
    """Return a key that is equal for configs with the same training graph."""
    return json.dumps([graph_of(cfg.model.to_dict()), image_size(cfg)[0]], default=repr)
