# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Build the whole configs of the rows of an index."""

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmfer.utils.config_options import merge_options

from .index import PATCHES, Index


class Variants:
    """The configs of all rows of all tables.

    Args:
        index (Index): The index.
    """

    def __init__(self, index: Index):
        self.index = index
        # Files are read once, so the cached configs must not be changed.
        self._file = cache(Config.fromfile)
        self._name = cache(self._find_name)

    def exists(self, database: str, variant: str) -> bool:
        """Whether a variant exists for a database; some variants have only some databases."""
        return database in self.index.variants[variant]

    def path(self, database: str, variant: str) -> Path:
        """Return the config file that a variant changes."""
        return self.index.variants[variant][database].config

    def read(self, path: Path) -> Config:
        """Return a config file's config, as a copy that may be changed."""
        return copy.deepcopy(self._file(path))

    def config(self, database: str, variant: str) -> Config:
        """Return the whole config of a row.

        Raises:
            UnknownOptionError: The config file does not have a setting that the variant changes.
        """
        recipe = self.index.variants[variant][database]
        cfg = self.read(recipe.config)
        for path, (file, name) in recipe.parts.items():
            _copy_part(cfg, path, self.read(file), name)
        merge_options(cfg, self._options(database, variant))
        return cfg

    def name(self, database: str, variant: str) -> str:
        """Return the name of the first variant of the index with the same config."""
        return self._name(database, variant)

    def _find_name(self, database: str, variant: str) -> str:
        wanted = self._identity(database, variant)
        candidates = (name for name in self.index.variants if self.exists(database, name))
        return next(name for name in candidates if self._identity(database, name) == wanted)

    def _options(self, database: str, variant: str) -> dict[str, Any]:
        """Return the overrides, with keep numbers scaled to the grid of the database's model."""
        options = dict(self.index.variants[variant][database].options)
        for key, value in options.items():
            if key.endswith('.keep_num'):
                options[key] = round(value * self.index.databases[database].patches / PATCHES)
            elif isinstance(value, str):
                options[key] = value.replace('{database}', database)
        return options

    def _identity(self, database: str, variant: str) -> tuple:
        """Return a key that is equal for variants with the same config."""
        path = self.path(database, variant)
        changes = {
            key: value
            for key, value in self._options(database, variant).items()
            if get(self._file(path), key, default=...) != value
        }
        parts = self.index.variants[variant][database].parts
        return path, repr(sorted(parts.items())), repr(sorted(changes.items()))


def get(cfg: Mapping, path: str, default: Any = None) -> Any:
    """Return the value at a dotted path, or ``default`` if there is none."""
    node = cfg
    for key in path.split('.'):
        if not isinstance(node, (Mapping, Config)) or key not in node:
            return default
        node = node[key]
    return node


def _copy_part(cfg: Config, path: str, other: Config, name: str) -> None:
    """Set ``path`` to the value of ``name`` in another config."""
    parent, _, key = path.rpartition('.')
    node = get(cfg, parent) if parent else cfg
    node[key] = get(other, name)
    if name != path:
        # Helper variables of that file, which the config has under the same names.
        for helper in other:
            cfg[helper] = other[helper]
