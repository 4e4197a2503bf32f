# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From the rows of an index to whole configs."""

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmfer.utils.config_options import merge_options

from .index import PATCHES, Index


class Variants:
    """Makes the config of every row of every table.

    Args:
        index (Index): What there is.
    """

    def __init__(self, index: Index):
        self.index = index
        # Files are read once, so nothing of what it returns is to be changed.
        self._file = cache(Config.fromfile)
        self._name = cache(self._find_name)

    def exists(self, database: str, variant: str) -> bool:
        """Whether there is such a config: other models have some databases only."""
        return database in self.index.variants[variant]

    def path(self, database: str, variant: str) -> Path:
        """The config file that a variant changes."""
        return self.index.variants[variant][database].config

    def read(self, path: Path) -> Config:
        """What a config file says, for the caller to change."""
        return copy.deepcopy(self._file(path))

    def config(self, database: str, variant: str) -> Config:
        """The whole config of a row.

        Raises:
            UnknownOptionError: The config file does not have a setting that the variant changes.
        """
        recipe = self.index.variants[variant][database]
        cfg = self.read(recipe.config)
        for path, (file, name) in recipe.parts.items():
            _take(cfg, path, self.read(file), name)
        merge_options(cfg, self._options(database, variant))
        return cfg

    def name(self, database: str, variant: str) -> str:
        """The first variant of the index that makes the same config."""
        return self._name(database, variant)

    def _find_name(self, database: str, variant: str) -> str:
        wanted = self._identity(database, variant)
        candidates = (name for name in self.index.variants if self.exists(database, name))
        return next(name for name in candidates if self._identity(database, name) == wanted)

    def _options(self, database: str, variant: str) -> dict[str, Any]:
        """Overrides, with keep numbers for the grid of the database's model."""
        options = dict(self.index.variants[variant][database].options)
        for key, value in options.items():
            if key.endswith('.keep_num'):
                options[key] = round(value * self.index.databases[database].patches / PATCHES)
            elif isinstance(value, str):
                options[key] = value.replace('{database}', database)
        return options

    def _identity(self, database: str, variant: str) -> tuple:
        """Equal for variants whose configs are the same."""
        path = self.path(database, variant)
        changes = {
            key: value
            for key, value in self._options(database, variant).items()
            if get(self._file(path), key, default=...) != value
        }
        parts = self.index.variants[variant][database].parts
        return path, repr(sorted(parts.items())), repr(sorted(changes.items()))


def get(cfg: Mapping, path: str, default: Any = None) -> Any:
    """The value at a dotted path; ``default`` where there is nothing."""
    node = cfg
    for key in path.split('.'):
        if not isinstance(node, (Mapping, Config)) or key not in node:
            return default
        node = node[key]
    return node


def _take(cfg: Config, path: str, other: Config, name: str) -> None:
    """Put what another config has as ``name`` at ``path``."""
    parent, _, key = path.rpartition('.')
    node = get(cfg, parent) if parent else cfg
    node[key] = get(other, name)
    if name != path:
        # Helper variables of that file, which the config has under the same names.
        for helper in other:
            cfg[helper] = other[helper]
