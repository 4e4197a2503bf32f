# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The index of a paper's experiments: its tables and figures, and the trainings they need."""

import difflib
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import yaml

#: Figures that an experiment may have in addition to its table.
FIGURES = (
    'heat_map',
    'class_bars',
    'confusion',
    'maps',
    'attention',
    'encoder_costs',
    'features',
)
#: Ways to show the cost of a row: in GFLOPs, or in percent of the reference row.
COSTS = ('GFLOPs', 'share')
#: Default metric of a column.
ACCURACY = 'accuracy/top1'
#: Number of patches of the published model, to which keep numbers in the index refer.
PATCHES = 196

_APP, _ATP = 'model.backbone.app', 'model.backbone.atp'


class ExperimentError(ValueError):
    """An index, or a selection from it, is invalid."""


@dataclass(frozen=True)
class Source:
    """The origin of a checkpoint: a config, or the run of a variant on a database."""

    config: Path | None = None
    database: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Database:
    """A dataset on which models are trained and tested ("database" in the papers).

    Attributes:
        name (str): Name in the paper's tables.
        config (Path): Config of the paper's model on this database.
        folder (str, optional): Folder of its files, relative to the folder of all data; None if it
            has no files.
        patches (int): Number of patches of its model; keep numbers are scaled from 196 to it.
            Defaults to 196.
        weights (Mapping[str, Source]): Setting with a checkpoint -> origin of the checkpoint, which
            is the same for all seeds.
        metrics (Mapping[str, str]): Column -> metric. Defaults to the database's name -> accuracy.
        primary (str): Metric that selects the best epoch. Defaults to the first of ``metrics``.
        protocol (str): Description of the paper's splits, if needed.
        leak_free (Mapping[str, Any]): Splits without a leak: ``description``, and overrides in
            ``set``.
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
    """The config of a table's row on one database, as a config file and its changes.

    Attributes:
        config (Path): Config file.
        parts (Mapping[str, tuple[Path, str]]): Dotted path -> config file and dotted path in it,
            whose value replaces that of the config.
        options (Mapping[str, Any]): Overrides, dotted path -> value; ``{database}`` is replaced by
            the database's name.
    """

    config: Path
    parts: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A table or a figure.

    Attributes:
        name (str): Name, such as ``'table1'``.
        title (str): Title.
        databases (tuple[str, ...]): Databases of its columns.
        rows (Mapping[str, tuple[str, ...]]): Variant -> first cells of its row.
        label (tuple[str, ...]): Headings of these cells.
        metrics (Mapping[str, str]): Column -> metric, instead of the databases' own.
        columns (tuple[str, ...]): Names of the databases' columns to show. Defaults to all.
        cost (str, optional): One of :data:`COSTS`; None if the table has no column of costs.
        reference (str | Mapping[str, str], optional): Reference row of all other rows, or row ->
            its reference row.
        best_of (Mapping[str, tuple[str, ...]]): Row -> other rows; it shows, in each column, the
            one with the best mean.
        separate (bool): Whether each column becomes a separate table.
        note (str): Note below the table.
        published (str): Table of the published values. Defaults to ``name``.
        trains (bool): False if the experiment only has costs.
        figure (str, optional): One of :data:`FIGURES`, or None.
        grid (Mapping[str, tuple], optional): Keep numbers ``k`` and keep rates ``r`` of a figure
            over both.
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
    separate: bool = False
    note: str = ''
    published: str = ''
    trains: bool = True
    figure: str | None = None
    grid: Mapping[str, tuple] | None = None

    def reference_of(self, row: str) -> str | None:
        """Return the reference row of a row; None for a reference row."""
        if isinstance(self.reference, Mapping):
            return self.reference.get(row)
        return None if row == self.reference else self.reference

    @property
    def trained_rows(self) -> list[str]:
        """Distinct variants that its rows need."""
        return list(dict.fromkeys(v for row in self.rows for v in self.best_of.get(row, (row,))))


@dataclass(frozen=True)
class Index:
    """All databases, variants and experiments of a paper, by name.

    Attributes:
        databases (Mapping[str, Database]): Databases.
        variants (Mapping[str, Mapping[str, Recipe]]): Variant -> database -> its config.
        experiments (Mapping[str, Experiment]): Tables and figures.
        stand_ins (Mapping[str, Mapping[str, str]]): Value of ``--data`` -> database -> database
            that stands in for it.
        short (Mapping[str, Mapping[str, Any]]): Type of the model -> overrides that shorten a
            training on drawn faces.
    """

    databases: Mapping[str, Database]
    variants: Mapping[str, Mapping[str, Recipe]]
    experiments: Mapping[str, Experiment]
    stand_ins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    short: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def from_file(cls, path: str | Path) -> 'Index':
        """Read an index such as ``configs/apvit/experiments.yml``, which explains the keys.

        Raises:
            ExperimentError: A name in it is unknown, or a config does not exist.
        """
        path = Path(path)
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        try:
            return _read(content, path.parent)
        except (TypeError, KeyError, AttributeError, ExperimentError) as error:
            raise ExperimentError(f'{path}: {error}') from error

    def find(self, name: str) -> Experiment:
        """Return the experiment with a name.

        Raises:
            ExperimentError: There is none. The message has similar names.
        """
        if name not in self.experiments:
            near = difflib.get_close_matches(name, self.experiments, n=3)
            hint = f'did you mean {" or ".join(near)}?' if near else 'see --list'
            raise ExperimentError(f'there is no experiment {name!r}; {hint}')
        return self.experiments[name]

    def find_row(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Find the variant of ``EXPERIMENT/NUMBER``, ``EXPERIMENT/VARIANT`` or ``VARIANT``.

        Returns:
            Name of the variant, and the databases of the experiment, or all databases if the name
            has no experiment.

        Raises:
            ExperimentError: There is no such experiment or row. The message has the valid names.
        """
        table, _, row = name.rpartition('/')
        if not table:
            _check_known('variant', [row], self.variants)
            return row, tuple(self.databases)
        experiment = self.find(table)
        rows = list(experiment.rows)
        if row.isdigit() and 1 <= int(row) <= len(rows):
            row = rows[int(row) - 1]
        _check_known(f'{table}: row', [row], [*rows, f'1 to {len(rows)}'])
        return row, experiment.databases

    def maker(self, checkpoint: str) -> Source | None:
        """Return the run that writes ``work_dirs/VARIANT_1xb..._DATABASE/...``; None if unknown."""
        variant, _, rest = Path(checkpoint).parent.name.partition('_1xb')
        database = rest.partition('_')[2]
        if database not in self.variants.get(variant, ()):
            return None
        return Source(database=database, variant=variant)


def select(
    index: Index, names: Iterable[str], databases: Sequence[str] | None = None
) -> list[Experiment]:
    """Select experiments by name.

    Args:
        index (Index): The index.
        names (Iterable[str]): Names of experiments; ``EXPERIMENT/ROW`` for one row and its
            reference row; or ``'all'``.
        databases (Sequence[str], optional): Databases to keep. Defaults to None, all.

    Raises:
        ExperimentError: There is no such experiment, or it has none of the databases.
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
    _check_known('--databases', databases, index.databases)
    selected = []
    for experiment in found:
        kept = tuple(name for name in experiment.databases if name in databases)
        if kept:
            selected.append(replace(experiment, databases=kept))
        elif 'all' not in names:
            raise ExperimentError(
                f'{experiment.name} has databases {", ".join(experiment.databases)}, but not '
                f'{", ".join(databases)}'
            )
    return selected


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
        best_of={row: of for row, of in experiment.best_of.items() if row in kept},
        figure=None,
    )


def grid_variant(keep_num: int, keep_rate: float) -> tuple[str, dict[str, Any]]:
    """Return name and overrides for one k and one r; a pooling that would keep all is removed."""
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
            name: stand_in
            for name in databases
            for key, stand_in in names.items()
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
    """Read the recipes of a variant, by database."""
    if not {'configs', 'of'} & entry.keys():
        return _changed(own, entry)
    keys = ('configs', 'parts', 'options', 'of')
    _check_known(f'{name}: key', entry.keys() - {*keys}, keys)
    made = {}
    for other in entry.get('of', ()):
        _check_known(f'{name}: of', [other], known)
        made |= known[other]
    for pattern, path in entry.get('configs', {}).items():
        found = fnmatch.filter(own, pattern)
        _check_known(f'{name}: configs', [] if found else [pattern], own)
        made |= {it: Recipe(_config(folder, path.replace('{database}', it))) for it in found}
    parts = {}
    for key, part in entry.get('parts', {}).items():
        path, _, its_name = part.partition(' ')
        parts[key] = (_config(folder, path), its_name or key)
    made = {it: replace(recipe, parts={**recipe.parts, **parts}) for it, recipe in made.items()}
    return _changed(made, entry.get('options', {}))


def _changed(recipes: Mapping[str, Recipe], options: Mapping[str, Any]) -> dict[str, Recipe]:
    """Return recipes with additional overrides."""
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
        raise ExperimentError(f'the config {config} does not exist')
    return config


def _check(index: Index) -> None:
    for data, names in index.stand_ins.items():
        _check_known(f'stand_ins: {data}', names.values(), index.databases)
    for experiment in index.experiments.values():
        where = experiment.name
        _check_known(f'{where}: database', experiment.databases, index.databases)
        _check_known(f'{where}: row', experiment.trained_rows, index.variants)
        _check_known(f'{where}: best_of', experiment.best_of, experiment.rows)
        named = experiment.reference
        named = {} if named is None else named if isinstance(named, Mapping) else {named: named}
        _check_known(f'{where}: reference', [*named, *named.values()], experiment.rows)
        measured = [c for name in experiment.databases for c in index.databases[name].metrics]
        _check_known(f'{where}: column', experiment.columns, measured)
        if experiment.figure is not None:
            _check_known(f'{where}: figure', [experiment.figure], FIGURES)
        if experiment.cost is not None:
            _check_known(f'{where}: cost', [experiment.cost], COSTS)
        for row, cells in experiment.rows.items():
            if len(cells) != len(experiment.label):
                raise ExperimentError(
                    f'{where}: row {row} has {len(cells)} cells under {experiment.label}'
                )


def _check_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise ExperimentError(f'{what} {name!r} is not one of {", ".join(known)}')
