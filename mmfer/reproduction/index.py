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
FIGURES = (
    'heat_map',
    'class_bars',
    'confusion',
    'maps',
    'attention',
    'encoder_costs',
    'features',
)
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
        name (str): As the paper's tables call it.
        config (Path): The config of the paper's model on it.
        folder (str, optional): Where its files are under the folder of all data; None if it has no
            files.
        patches (int): Of its model; keep numbers are scaled from 196 to it.
        weights (Mapping[str, Source]): Setting that names a checkpoint -> what makes it, once for
            all seeds.
        metrics (Mapping[str, str]): Column -> metric. Defaults to the database's name -> accuracy.
        primary (str): The metric that the best epoch is selected by. Defaults to the first one.
        protocol (str): The paper's way to divide it, in words, where that matters.
        leak_free (Mapping[str, Any]): ``says`` the other way in words, ``set`` has its overrides.
    """

    name: str
    config: Path
    folder: str | None = None
    patches: int = PATCHES
    weights: Mapping[str, Source] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    primary: str = ''
    protocol: str = ''
    leak_free: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.metrics:
            object.__setattr__(self, 'metrics', {self.name: ACCURACY})
        if not self.primary:
            object.__setattr__(self, 'primary', next(iter(self.metrics.values())))


@dataclass(frozen=True)
class Recipe:
    """How a row of a table is made on one database.

    Attributes:
        config (Path): The config that is changed.
        parts (Mapping[str, tuple[Path, str]]): Dotted path -> file whose value replaces that of the
            config, and its name there.
        options (Mapping[str, Any]): Overrides, dotted path -> value; ``{database}`` stands for the
            database's name.
    """

    config: Path
    parts: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A table or a figure.

    Attributes:
        name (str): Such as ``'table1'``.
        title (str): What it is about.
        databases (tuple[str, ...]): What its columns are measured on.
        rows (Mapping[str, tuple[str, ...]]): Variant -> the row's first cells.
        label (tuple[str, ...]): Headings of these cells.
        metrics (Mapping[str, str]): Column -> metric, in place of the databases' own.
        columns (tuple[str, ...]): Those of the databases' columns that it has. Defaults to all.
        cost (str, optional): One of :data:`COSTS`, or None where the table has no such column.
        reference (str | Mapping[str, str], optional): The row that others are compared with, or row
            -> that for it.
        best_of (Mapping[str, tuple[str, ...]]): Row -> rows, of which it has the best mean in each
            column.
        apart (bool): Whether each column is a table of its own.
        note (str): What has to be said of the table, a sentence or more.
        published (str): The table of the published values, if not that of its own name.
        trains (bool): False where it is about costs only.
        figure (str, optional): One of :data:`FIGURES`, or None.
        grid (Mapping[str, tuple], optional): Keep numbers and keep rates of a figure over both.
    """

    name: str
    title: str
    databases: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    label: tuple[str, ...] = ('method',)
    metrics: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    cost: str | None = None
    reference: str | Mapping[str, str] | None = None
    best_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    apart: bool = False
    note: str = ''
    published: str = ''
    trains: bool = True
    figure: str | None = None
    grid: Mapping[str, tuple] | None = None

    def reference_of(self, row: str) -> str | None:
        """The row that a row is compared with; None for one that others are compared with."""
        if isinstance(self.reference, Mapping):
            return self.reference.get(row)
        return None if row == self.reference else self.reference

    @property
    def trained_rows(self) -> list[str]:
        """Variants that its rows take, each once."""
        return list(dict.fromkeys(v for row in self.rows for v in self.best_of.get(row, (row,))))


@dataclass(frozen=True)
class Index:
    """All of them, by name.

    Attributes:
        databases (Mapping[str, Database]): What is trained on.
        variants (Mapping[str, Mapping[str, Recipe]]): Variant -> database -> how it is made there.
        experiments (Mapping[str, Experiment]): Tables and figures.
        stand_ins (Mapping[str, Mapping[str, str]]): What may be chosen as data but the paper's ->
            database -> what stands in for it.
        short (Mapping[str, Mapping[str, Any]]): Type of the model -> overrides of a training on
            drawn faces, to make it short.
    """

    databases: Mapping[str, Database]
    variants: Mapping[str, Mapping[str, Recipe]]
    experiments: Mapping[str, Experiment]
    stand_ins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    short: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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

    def maker(self, checkpoint: str) -> Source | None:
        """The run that leaves ``work_dirs/VARIANT_1xb..._DATABASE/...``; None if none does."""
        variant, _, rest = Path(checkpoint).parent.name.partition('_1xb')
        database = rest.partition('_')[2]
        if database not in self.variants.get(variant, ()):
            return None
        return Source(database=database, variant=variant)


def select(
    index: Index, names: Iterable[str], databases: Sequence[str] | None = None
) -> list[Experiment]:
    """The experiments of these names, or of all with ``'all'``.

    Args:
        index (Index): What there is.
        names (Iterable[str]): Names of experiments, or ``EXPERIMENT/ROW`` for one row and what it
            is compared with.
        databases (Sequence[str], optional): Columns to keep. Defaults to all.

    Raises:
        ExperimentError: There is no such experiment, or it has none of these databases.
    """
    names = list(names)
    found = []
    for name in names:
        if name == 'all':
            found += index.experiments.values()
        else:
            found.append(_one_row(index, name) if '/' in name else index.find(name))
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


def _one_row(index: Index, name: str) -> Experiment:
    row, _ = index.find_row(name)
    experiment = index.find(name.rpartition('/')[0])
    kept = (experiment.reference_of(row), row)
    rows = {name: cells for name, cells in experiment.rows.items() if name in kept}
    return replace(
        experiment,
        name=f'{experiment.name}-{row.replace(" ", "-")}',
        published=experiment.published or experiment.name,
        rows=rows,
        figure=None,
    )


def grid_variant(keep_num: int, keep_rate: float) -> tuple[str, dict[str, Any]]:
    """Name and overrides of one k and one r. That which keeps all has no pooling: the same."""
    options = {
        **({_APP: None} if keep_num >= PATCHES else {f'{_APP}.keep_num': keep_num}),
        **({_ATP: None} if keep_rate >= 1 else {f'{_ATP}.keep_rate': keep_rate}),
    }
    return f'k{keep_num}-r{round(10 * keep_rate):02d}', options


def _read(content: Mapping, folder: Path) -> Index:
    databases = {
        name: Database(
            name,
            _config(folder, entry.pop('config')),
            weights={key: _source(folder, s) for key, s in entry.pop('weights', {}).items()},
            **entry,
        )
        for name, entry in content.pop('databases').items()
    }
    own = {name: Recipe(database.config) for name, database in databases.items()}
    variants = {}
    for name, entry in content.pop('variants').items():
        variants[name] = _recipes(folder, name, entry, own, variants)
    experiments = {}
    for name, entry in content.pop('experiments').items():
        entry = dict(entry)
        if 'grid' in entry:
            cells = list(product(entry['grid']['k'], entry['grid']['r']))
            found = {cell: grid_variant(*cell) for cell in cells}
            variants |= {name: _changed(own, options) for name, options in found.values()}
            entry['rows'] = {found[cell][0]: [f'{v:g}' for v in cell] for cell in cells}
            entry['label'] = ['k', 'r']
            entry['grid'] = {axis: tuple(values) for axis, values in entry['grid'].items()}
        for key in ('databases', 'label', 'columns'):
            if key in entry:
                entry[key] = tuple(entry[key])
        entry['rows'] = {row: tuple(map(str, cells)) for row, cells in entry['rows'].items()}
        experiments[name] = Experiment(name, **entry)
    stand_ins = {
        data: {
            name: chosen
            for name in databases
            for key, chosen in names.items()
            if fnmatch.fnmatch(name, key)
        }
        for data, names in content.pop('stand_ins', {}).items()
    }
    index = Index(databases, variants, experiments, stand_ins, **content)
    _check(index)
    return index


def _recipes(
    folder: Path, name: str, entry: Mapping, own: Mapping[str, Recipe], known: Mapping
) -> dict[str, Recipe]:
    """How a variant is made, by database."""
    if not {'configs', 'of'} & entry.keys():
        return _changed(own, entry)
    keys = ('configs', 'parts', 'options', 'of')
    _known(f'{name}: key', entry.keys() - {*keys}, keys)
    made = {}
    for other in entry.get('of', ()):
        _known(f'{name}: of', [other], known)
        made |= known[other]
    for pattern, path in entry.get('configs', {}).items():
        found = fnmatch.filter(own, pattern)
        _known(f'{name}: configs', [] if found else [pattern], own)
        made |= {it: Recipe(_config(folder, path.replace('{database}', it))) for it in found}
    parts = {}
    for key, part in entry.get('parts', {}).items():
        path, _, its_name = part.partition(' ')
        parts[key] = (_config(folder, path), its_name or key)
    made = {it: replace(recipe, parts={**recipe.parts, **parts}) for it, recipe in made.items()}
    return _changed(made, entry.get('options', {}))


def _changed(recipes: Mapping[str, Recipe], options: Mapping[str, Any]) -> dict[str, Recipe]:
    """The same with further overrides."""
    return {
        database: replace(recipe, options={**recipe.options, **options})
        for database, recipe in recipes.items()
    }


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
    for data, names in index.stand_ins.items():
        _known(f'stand_ins: {data}', names.values(), index.databases)
    for experiment in index.experiments.values():
        where = experiment.name
        _known(f'{where}: database', experiment.databases, index.databases)
        _known(f'{where}: row', experiment.trained_rows, index.variants)
        _known(f'{where}: best_of', experiment.best_of, experiment.rows)
        named = experiment.reference
        named = {} if named is None else named if isinstance(named, Mapping) else {named: named}
        _known(f'{where}: reference', [*named, *named.values()], experiment.rows)
        measured = [c for name in experiment.databases for c in index.databases[name].metrics]
        _known(f'{where}: column', experiment.columns, measured)
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
