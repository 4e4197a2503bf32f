# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The runs of an index: config, folder and starting weights of every training."""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmfer.analysis.model_cost import published_cost
from mmfer.checkpoint.starting_weights import how_to_get
from mmfer.engine.starting_files import starts
from mmfer.utils.config_options import merge_options
from mmfer.utils.dataset_config import unwrapped
from mmfer.utils.image_size import image_size

from .best_epoch import best_epoch
from .index import Experiment, ExperimentError, Index, Source
from .metrics import LESS_IS_BETTER
from .stages import Stage
from .table import Column
from .variants import Variants, get

#: Settings that change how a training runs, but not what is trained.
_HARMLESS = (
    *('*_dataloader.num_workers', '*_dataloader.persistent_workers', '*_dataloader.pin_memory'),
    *(f'default_hooks.{name}.*' for name in ('logger', 'visualization', 'confusion_matrix')),
    *('default_hooks.checkpoint.interval', 'default_hooks.checkpoint.max_keep_ckpts'),
    *('env_cfg.*', 'visualizer*', 'vis_backends*', 'log_*', 'resume'),
)
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@dataclass(frozen=True)
class Settings:
    """Settings of all runs.

    Args:
        work_dir (Path): Output folder.
        tools (Path): Folder of ``train.py`` and ``test.py``.
        data_root (Path, optional): Folder with the databases' folders. Defaults to None: the
            folders in the configs.
        data_roots (Mapping[str, Path]): Database -> its folder, for databases in other folders.
        data (str): ``'paper'`` (default), or the name of stand-ins for its databases.
        protocol (str): Splits of the databases, ``'paper'`` (default) or ``'leak-free'``.
        options (Mapping[str, Any]): ``--cfg-options`` for every run.
        adapter_options (Mapping[str, Any]): The same for runs that learn from prior encoders.
        cache (bool): Whether runs with prior encoders train without augmentation and compute the
            prior tokens once. Defaults to False.
        given (Mapping[tuple[str, str], Path]): (variant, database) -> existing checkpoint, used
            for all seeds.
        processes (int): GPUs, or processes on CPUs, per training. Defaults to 1.
        select (str): Checkpoint that is tested: the ``'last'`` (default), or the ``'best'`` in
            validation.
    """

    work_dir: Path
    tools: Path
    data_root: Path | None = None
    data_roots: Mapping[str, Path] = field(default_factory=dict)
    data: str = 'paper'
    protocol: str = 'paper'
    options: Mapping[str, Any] = field(default_factory=dict)
    adapter_options: Mapping[str, Any] = field(default_factory=dict)
    cache: bool = False
    given: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    processes: int = 1
    select: str = 'last'

    @property
    def stands_in(self) -> bool:
        """Whether data other than the paper's are used."""
        return self.data != 'paper'

    @property
    def changes(self) -> list[str]:
        """Options with which trainings differ from those of the paper."""
        options = {**self.options, **self.adapter_options}
        changed = [k for k in options if not any(fnmatch.fnmatch(k, p) for p in _HARMLESS)]
        # Stand-ins always store prior tokens.
        return changed + ['--cache'] * (self.cache and not self.stands_in)


class Runs:
    """The trainings of all rows of all tables, and their folders.

    Rows with the same config share one training. Its folder is named after the first variant of
    the index with this config.

    Args:
        index (Index): The index.
        settings (Settings): Settings of the runs.
    """

    def __init__(self, index: Index, settings: Settings):
        self.index = index
        self.settings = settings
        self.variants = Variants(index)
        self._paper = self
        if settings.protocol != 'paper':
            self._paper = Runs(index, replace(settings, protocol='paper'))
        self._costs: dict[str, float] = {}
        self._stages: dict[tuple[str, str, int], Stage] = {}
        # Keys have the names of the trainings.
        self._given = {
            (self.variants.name(database, variant), database): path
            for (variant, database), path in settings.given.items()
            if database in index.variants.get(variant, ())
        }

    def databases(self, experiment: Experiment) -> tuple[str, ...]:
        """Return the databases of an experiment, or their stand-ins."""
        return tuple(dict.fromkeys(map(self.here, experiment.databases)))

    def here(self, database: str) -> str:
        """Return the stand-in for a database, or the database itself.

        Raises:
            ExperimentError: The selected data have no stand-in for it.
        """
        if not self.settings.stands_in:
            return database
        found = self.index.stand_ins.get(self.settings.data, {})
        if database not in found:
            raise ExperimentError(f'--data {self.settings.data} has no stand-in for {database}')
        return found[database]

    def columns(self, experiment: Experiment) -> list[Column]:
        """Return the measured columns, each with the paper's columns shown next to it."""
        found = {}
        for name in experiment.databases if experiment.trains else ():
            here = self.here(name)
            theirs = experiment.metrics or self.index.databases[name].metrics
            column_of = {metric: column for column, metric in theirs.items()}
            own = experiment.metrics or self.index.databases[here].metrics
            for shown, metric in own.items():
                column = column_of.get(metric)
                if experiment.columns and column not in experiment.columns:
                    continue
                papers = found.setdefault((here, shown, metric), [])
                if column and not self.settings.changes and not self._protocol(name):
                    papers.append(column)
        stands_in = self.settings.stands_in
        return [Column(c, tuple(p), stands_in, d, m) for (d, c, m), p in found.items()]

    def cells(self, experiment: Experiment) -> Iterator[tuple[str, str]]:
        """Yield database and variant of every run of an experiment."""
        for variant in experiment.trained_rows if experiment.trains else ():
            for database in self.databases(experiment):
                if self.variants.exists(database, variant):
                    yield database, variant

    def has(self, experiment: Experiment) -> bool:
        """Whether the selected data have all databases of an experiment, and at least one row."""
        found = self.index.stand_ins.get(self.settings.data, {})
        if self.settings.stands_in and not set(experiment.databases) <= found.keys():
            return False
        return not experiment.trains or any(True for _ in self.cells(experiment))

    def config(self, database: str, variant: str) -> Config:
        """Return the whole config of a run, without its seed and starting weights."""
        settings, cfg = self.settings, self.variants.config(database, variant)
        if settings.data == 'synth':
            merge_options(cfg, self.index.short.get(cfg.model.get('type'), {}))
        merge_options(cfg, self._protocol(database))
        # Also for select='last', so that both selections use the same runs.
        primary = self.index.databases[database].primary
        rule = 'less' if primary in LESS_IS_BETTER else 'greater'
        hook = 'default_hooks.checkpoint'
        cfg.merge_from_dict({f'{hook}.save_best': primary, f'{hook}.rule': rule})
        if cfg.model.get('priors'):
            merge_options(cfg, settings.adapter_options)
            if settings.cache or settings.data == 'synth':
                _store_prior_tokens(cfg)
        merge_options(cfg, settings.options)
        root = self.data_root(database)
        if root is not None:
            set_data_root(cfg, root)
        return cfg

    def data_root(self, database: str) -> Path | None:
        """Return the folder of a database's files; None to keep the folder in the config."""
        entry = self.index.databases[database]
        if database in self.settings.data_roots:
            return self.settings.data_roots[database].resolve()
        if entry.folder is None or self.settings.data_root is None:
            return None
        return (self.settings.data_root / entry.folder).resolve()

    def model_config(self, database: str, variant: str) -> Config:
        """Return the config of a row's full-size model, for its cost, also with stand-ins."""
        cfg = self.variants.config(database, variant)
        # Options apply to the trained model, and stand-ins train another one.
        if not self.settings.stands_in:
            if cfg.model.get('priors'):
                merge_options(cfg, self.settings.adapter_options)
            merge_options(cfg, self.settings.options)
        return cfg

    def cost(self, database: str, variant: str) -> float:
        """Return the GFLOPs of the model for one image, counted as in the published figures."""
        cfg = self.model_config(database, variant)
        # Different databases and trainings may have the same model.
        key = f'{image_size(cfg)[0]} {cfg.model}'
        if key not in self._costs:
            self._costs[key] = published_cost(cfg).gflops
        return self._costs[key]

    def stage(self, database: str, variant: str, seed: int) -> Stage:
        """Return the training and test of one cell of a table with one seed."""
        name = self.variants.name(database, variant)
        key = (database, name, seed)
        if key not in self._stages:  # tables need all of their stages again after each run
            self._stages[key] = self._make_stage(*key)
        return self._stages[key]

    def _make_stage(self, database: str, name: str, seed: int) -> Stage:
        cfg = self.config(database, name)
        makers = self._makers(database)
        for key, source in self._sources(cfg, database, seed).items():
            cfg.merge_from_dict({key: str(makers._source_stage(*source).checkpoint)})
        folder = f'{database}-leak-free' if self._protocol(database) else database
        inputs = [Path(path) for path in starts(cfg).values()]
        given = self._given.get((name, database))
        return self._stage(f'{database}, {name}', cfg, Path(folder) / name, seed, inputs, given)

    def counted(self, database: str, stage: Stage) -> Stage:
        """Return the stage whose test is the result of a run on a database."""
        finished = stage.is_trained or stage.is_tested  # the last checkpoint may be deleted
        if self.settings.select == 'best' and finished and stage.given is None:
            return best_epoch(stage, self.index.databases[database].primary)
        return stage

    def sources(self, database: str, variant: str, seed: int) -> list[Stage]:
        """Return the stages that the run depends on, in the order in which they must run."""
        if (self.variants.name(database, variant), database) in self._given:
            return []
        found: dict[Path, Stage] = {}
        makers = self._makers(database)
        for source, its_seed in self._sources(
            self.config(database, variant), database, seed
        ).values():
            if source.database is not None:
                for stage in makers.sources(source.database, source.variant, its_seed):
                    found.setdefault(stage.folder, stage)
            stage = makers._source_stage(source, its_seed)
            found.setdefault(stage.folder, stage)
        return list(found.values())

    def required_files(self, database: str, variant: str) -> Iterator[Path]:
        """Yield the checkpoints that no run writes, which must exist before."""
        stages = [*self.sources(database, variant, 0), self.stage(database, variant, 0)]
        made = {stage.checkpoint for stage in stages if stage.given is None}
        yield from (path for stage in stages for path in stage.inputs if path not in made)

    def notes(self, experiment: Experiment) -> list[str]:
        """Return notes on the data of an experiment: its protocol, validation on test data."""
        found, on_test = [], []
        for name in self.databases(experiment):
            database = self.index.databases[name]
            if self._protocol(name):
                found.append(f'Protocol of {name}, leak-free: {database.leak_free["description"]}.')
            elif database.protocol:
                found.append(f"Protocol of {name}, the paper's: {database.protocol}.")
            row = next(row for here, row in self.cells(experiment) if here == name)
            cfg = self.config(name, row)
            if unwrapped(cfg.val_dataloader.dataset) == unwrapped(cfg.test_dataloader.dataset):
                on_test.append(name)
        if on_test:
            found.append(f'Validation is on the test list: {", ".join(on_test)}.')
        return found

    def _protocol(self, database: str) -> Mapping[str, Any]:
        """Return the overrides of the selected protocol; empty for the paper's."""
        if self.settings.protocol == 'paper':
            return {}
        return self.index.databases[database].leak_free.get('set', {})

    def _makers(self, database: str) -> 'Runs':
        """Return the runs that train the starting weights of a database.

        A database with the same splits in both protocols uses the same starting weights in both.
        """
        return self if self._protocol(database) else self._paper

    def _sources(self, cfg: Config, database: str, seed: int) -> dict[str, tuple[Source, int]]:
        """Return setting with a checkpoint -> origin of the checkpoint, and its seed.

        Starting weights of a database are the same for all seeds, as in the APViT paper. A
        checkpoint in the options of a row is from a run with the same seed.
        """
        weights = self.index.databases[database].weights
        found = {key: (source, 0) for key, source in weights.items() if get(cfg, key) is not None}
        for key, checkpoint in starts(cfg).items():
            source = self.index.maker(checkpoint)
            if source is not None:
                found.setdefault(key, (source, seed))
        return found

    def _source_stage(self, source: Source, seed: int) -> Stage:
        if source.config is None:
            return self.stage(source.database, source.variant, seed)
        cfg = self.variants.read(source.config)
        merge_options(cfg, self.settings.options)
        folder = Path('weights') / source.config.stem
        return self._stage(f'weights {source.config.stem}', cfg, folder, seed, [])

    def _stage(
        self,
        title: str,
        cfg: Config,
        folder: Path,
        seed: int,
        inputs: Sequence[Path],
        given: Path | None = None,
    ) -> Stage:
        set_seed(cfg, seed)
        settings = self.settings
        folder = settings.work_dir / folder / f'seed{seed}'
        name = f'{title}, seed {seed}'
        return Stage(name, cfg, folder, inputs, settings.tools, settings.processes, given)


def check(runs: Runs, experiments: Iterable[Experiment]) -> None:
    """Check that all required files exist, before any training starts.

    Raises:
        ExperimentError: The folder of a database or a starting checkpoint is missing.
        UnknownOptionError: A config does not have one of the options.
    """
    folders, files = {}, {}
    for experiment in experiments:
        for database, variant in runs.cells(experiment):
            stages = (*runs.sources(database, variant, 0), runs.stage(database, variant, 0))
            for stage in stages:
                roots = data_roots(stage.cfg)
                its_database = stage.name.partition(',')[0]
                folders |= {root: its_database for root in roots if not Path(root).is_dir()}
            for path in runs.required_files(database, variant):
                if not path.is_file():
                    files[path] = f'{experiment.name}, {variant}'
    if folders:
        raise ExperimentError(
            'these databases are missing:\n  '
            + '\n  '.join(f'{name}: no folder {root}' for root, name in folders.items())
            + '\nSet their folders (--data-root DIR, or --data-root NAME=DIR for one), select '
            'other databases (--databases), or use drawn faces (--data synth)'
        )
    if files:
        raise ExperimentError(
            'these starting checkpoints are missing:\n  '
            + '\n  '.join(f'{path}, for {user}: {how_to_get(path)}' for path, user in files.items())
        )


def data_roots(cfg: Config) -> set[str]:
    """Return the data folders of a config; drawn faces have none."""
    return {dataset.data_root for dataset in _datasets(cfg) if dataset.get('data_root')}


def set_data_root(cfg: Config, root: str | Path) -> None:
    """Set the data folder of all datasets of a config."""
    for dataset in _datasets(cfg):
        dataset.data_root = str(root)


def set_seed(cfg: Config, seed: int) -> None:
    """Set the seed of a config."""
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)


def _datasets(cfg: Config) -> list[ConfigDict]:
    """Return the datasets of all loaders, without their wrappers."""
    return [unwrapped(cfg[name].dataset) for name in _LOADERS]


def _store_prior_tokens(cfg: Config) -> None:
    """Train with the test pipeline, so that prior tokens can be computed once and stored."""
    cfg.train_dataloader.dataset.pipeline = cfg.test_dataloader.dataset.pipeline
    # The hook stores them in the folder of the run.
    hook = dict(type='PriorTokenCacheHook')
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
