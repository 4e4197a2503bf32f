# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The index of a paper's experiments: which tables and figures there are, and what they train."""

import difflib
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import yaml

#: What an experiment may draw besides its table.
FIGURES = ('heat_map', 'class_bars', 'confusion', 'attention')
#: How a row's cost may be shown: as it is, or in percent of the reference row's.
COSTS = ('GFLOPs', 'share')
#: What a column shows unless the experiment says otherwise.
ACCURACY = 'accuracy/top1'
#: Keep numbers in the index are of so many patches, the published model's.
PATCHES = 196

_APP, _ATP = 'model.backbone.app', 'model.backbone.atp'


class ExperimentError(ValueError):
    """An index, or a choice from it, is wrong; the message says what and what is allowed."""


@dataclass(frozen=True)
class Source:
    """What makes a checkpoint: a config, or the run of a variant on a database."""

    config: Path | None = None
    database: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Database:
    """What a model is trained and tested on.

    Attributes:
        name: As the paper's tables call it.
        config: The config of the paper's model on it.
        folder: Where its files are under the folder of all data; None if it has no files.
        patches: Of its model; keep numbers are scaled from 196 to it.
        weights: Setting that names a checkpoint -> what makes it.
    """

    name: str
    config: Path
    folder: str | None = None
    patches: int = PATCHES
    weights: Mapping[str, Source] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """What a row of a table changes.

    Attributes:
        name: A short one, for folders.
        options: Overrides, dotted path -> value; ``{database}`` stands for the database's name.
        configs: Database -> config that is changed in place of the database's own, for another
            model altogether; other databases have no such variant then.
        parts: Dotted path -> file whose value replaces that of the config, and its name there.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    configs: Mapping[str, Path] = field(default_factory=dict)
    parts: Mapping[str, tuple[Path, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A table or a figure.

    Attributes:
        name: Such as ``'table1'``.
        title: What it is about.
        databases: Columns.
        rows: Variant -> the row's first cells.
        label: Headings of these cells.
        metrics: Column -> metric, in place of the databases' accuracy.
        cost: One of :data:`COSTS`, or None where the table has no such column.
        reference: The row that others are compared with.
        figure: One of :data:`FIGURES`, or None.
        grid: Keep numbers and keep rates of a figure over both.
    """

    name: str
    title: str
    databases: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    label: tuple[str, ...] = ('method',)
    metrics: Mapping[str, str] = field(default_factory=dict)
    cost: str | None = None
    reference: str | None = None
    figure: str | None = None
    grid: Mapping[str, tuple] | None = None


@dataclass(frozen=True)
class Index:
    """All of them, by name."""

    databases: Mapping[str, Database]
    variants: Mapping[str, Variant]
    experiments: Mapping[str, Experiment]

    @classmethod
    def from_file(cls, path: str | Path) -> 'Index':
        """Read an index such as ``configs/apvit/experiments.yml``, which explains its keys.

        Raises:
            ExperimentError: Something in it is not known or does not exist.
        """
        path = Path(path)
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        try:
            return _read(content, path.parent)
        except (TypeError, KeyError, AttributeError, ExperimentError) as error:
            raise ExperimentError(f'{path}: {error}') from error

    def find(self, name: str) -> Experiment:
        """The experiment of that name.

        Raises:
            ExperimentError: There is none; says which are near.
        """
        if name not in self.experiments:
            near = difflib.get_close_matches(name, self.experiments, n=3)
            hint = f'did you mean {" or ".join(near)}?' if near else '--list shows them all'
            raise ExperimentError(f'there is no experiment {name!r}; {hint}')
        return self.experiments[name]

    def find_row(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The variant that ``EXPERIMENT/NUMBER``, ``EXPERIMENT/VARIANT`` or ``VARIANT`` names.

        Returns:
            Its name, and the databases of the experiment: all, where none is named.

        Raises:
            ExperimentError: There is no such experiment or row; says which there are.
        """
        table, _, row = name.rpartition('/')
        if not table:
            _known('variant', [row], self.variants)
            return row, tuple(self.databases)
        experiment = self.find(table)
        rows = list(experiment.rows)
        if row.isdigit() and 1 <= int(row) <= len(rows):
            row = rows[int(row) - 1]
        _known(f'{table}: row', [row], [*rows, f'1 to {len(rows)}'])
        return row, experiment.databases


def select(
    index: Index, names: Iterable[str], databases: Sequence[str] | None = None
) -> list[Experiment]:
    """The experiments of these names, or of all with ``'all'``.

    Args:
        index: What there is.
        names: Names of experiments.
        databases: Columns to keep. Default: all.

    Raises:
        ExperimentError: There is no such experiment, or it has none of these databases.
    """
    names = list(names)
    found = list(index.experiments.values()) if 'all' in names else [*map(index.find, names)]
    if databases is None:
        return found
    _known('--databases', databases, index.databases)
    chosen = []
    for experiment in found:
        kept = tuple(name for name in experiment.databases if name in databases)
        if kept:
            chosen.append(replace(experiment, databases=kept))
        elif 'all' not in names:
            raise ExperimentError(
                f'{experiment.name} is about {", ".join(experiment.databases)}, not about '
                f'{", ".join(databases)}'
            )
    return chosen


def grid_variant(keep_num: int, keep_rate: float) -> Variant:
    """The model of one k and one r. That which keeps all has no pooling, which is the same."""
    options = {
        **({_APP: None} if keep_num >= PATCHES else {f'{_APP}.keep_num': keep_num}),
        **({_ATP: None} if keep_rate >= 1 else {f'{_ATP}.keep_rate': keep_rate}),
    }
    return Variant(f'k{keep_num}-r{round(10 * keep_rate):02d}', options)


def _read(content: Mapping, folder: Path) -> Index:
    databases = {
        name: Database(
            name,
            _config(folder, entry.pop('config')),
            weights={key: _source(folder, s) for key, s in entry.pop('weights', {}).items()},
            **entry,
        )
        for name, entry in content['databases'].items()
    }
    variants = {
        name: _variant(folder, name, entry, databases)
        for name, entry in content['variants'].items()
    }
    experiments = {}
    for name, entry in content['experiments'].items():
        entry = dict(entry)
        if 'grid' in entry:
            cells = list(product(entry['grid']['k'], entry['grid']['r']))
            found = {cell: grid_variant(*cell) for cell in cells}
            variants |= {variant.name: variant for variant in found.values()}
            entry['rows'] = {found[cell].name: [f'{v:g}' for v in cell] for cell in cells}
            entry['label'] = ['k', 'r']
            entry['grid'] = {axis: tuple(values) for axis, values in entry['grid'].items()}
        for key in ('databases', 'label'):
            if key in entry:
                entry[key] = tuple(entry[key])
        entry['rows'] = {row: tuple(map(str, cells)) for row, cells in entry['rows'].items()}
        experiments[name] = Experiment(name, **entry)
    index = Index(databases, variants, experiments)
    _check(index)
    return index


def _variant(folder: Path, name: str, entry: Mapping, databases: Iterable[str]) -> Variant:
    if 'configs' not in entry:
        return Variant(name, entry)
    configs = {}
    for pattern, path in entry['configs'].items():
        found = fnmatch.filter(databases, pattern)
        _known(f'{name}: configs', [] if found else [pattern], databases)
        configs |= {it: _config(folder, path.replace('{database}', it)) for it in found}
    parts = {}
    for key, part in entry.get('parts', {}).items():
        path, _, its_name = part.partition(' ')
        parts[key] = (_config(folder, path), its_name or key)
    unknown = entry.keys() - {'configs', 'parts', 'options'}
    _known(f'{name}: key', unknown, ('configs', 'parts', 'options'))
    return Variant(name, entry.get('options', {}), configs, parts)


def _source(folder: Path, entry: Mapping) -> Source:
    if 'config' in entry:
        return Source(config=_config(folder, entry['config']))
    return Source(**entry)


def _config(folder: Path, path: str) -> Path:
    config = (folder / path).resolve()
    if not config.is_file():
        raise ExperimentError(f'there is no config {config}')
    return config


def _check(index: Index) -> None:
    for experiment in index.experiments.values():
        where = experiment.name
        _known(f'{where}: database', experiment.databases, index.databases)
        _known(f'{where}: row', experiment.rows, index.variants)
        if experiment.reference is not None:
            _known(f'{where}: reference', [experiment.reference], experiment.rows)
        if experiment.figure is not None:
            _known(f'{where}: figure', [experiment.figure], FIGURES)
        if experiment.cost is not None:
            _known(f'{where}: cost', [experiment.cost], COSTS)
        for row, cells in experiment.rows.items():
            if len(cells) != len(experiment.label):
                raise ExperimentError(
                    f'{where}: row {row} has {len(cells)} cells under {experiment.label}'
                )


def _known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise ExperimentError(f'{what} {name!r} is none of {", ".join(known)}')
