# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From an index to trainings: the config, the folder and the starting weights of every run."""

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

#: Settings that leave it open whether a run is the paper's: how it is done, not what is.
_HARMLESS = (
    *('*_dataloader.num_workers', '*_dataloader.persistent_workers', '*_dataloader.pin_memory'),
    *(f'default_hooks.{name}.*' for name in ('logger', 'visualization', 'confusion_matrix')),
    *('default_hooks.checkpoint.interval', 'default_hooks.checkpoint.max_keep_ckpts'),
    *('env_cfg.*', 'visualizer*', 'vis_backends*', 'log_*', 'resume'),
)
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@dataclass(frozen=True)
class Settings:
    """How runs are made.

    Args:
        work_dir (Path): Where all of them go.
        tools (Path): Folder of ``train.py`` and ``test.py``.
        data_root (Path, optional): Folder that holds the databases' folders; None where they are
            not at hand.
        data_roots (Mapping[str, Path]): Database -> its folder, for those elsewhere.
        data (str): ``'paper'``, or the name of what stands in for its databases.
        protocol (str): ``'paper'`` or ``'leak-free'``, how databases are divided.
        options (Mapping[str, Any]): ``--cfg-options`` for every run.
        adapter_options (Mapping[str, Any]): The same for runs that learn from prior encoders.
        cache (bool): Whether these see images without augmentation and compute prior tokens once.
        given (Mapping[tuple[str, str], Path]): (Variant, database) -> checkpoint that exists
            already, for all seeds.
        processes (int): GPUs, or processes on CPUs, for each training.
        select (str): What a run has reached: the test of its ``'last'`` checkpoint, or of that
            which validation found ``'best'``.
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
        """Whether it is measured on other data than the paper's."""
        return self.data != 'paper'

    @property
    def changes(self) -> list[str]:
        """Options that make another training of it than the paper's row is."""
        options = {**self.options, **self.adapter_options}
        changed = [k for k in options if not any(fnmatch.fnmatch(k, p) for p in _HARMLESS)]
        # Among what stands in, prior tokens are stored anyway.
        return changed + ['--cache'] * (self.cache and not self.stands_in)


class Runs:
    """Knows how every row of every table is trained, and in which folder.

    Rows of several tables that come out as the same training share it: its folder is called after
    the first variant of the index that makes it.

    Args:
        index (Index): What there is.
        settings (Settings): How it is done.
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
        # By the names that trainings have.
        self._given = {
            (self.variants.name(database, variant), database): path
            for (variant, database), path in settings.given.items()
            if database in index.variants.get(variant, ())
        }

    def databases(self, experiment: Experiment) -> tuple[str, ...]:
        """What the experiment's columns are trained on here."""
        return tuple(dict.fromkeys(map(self.here, experiment.databases)))

    def here(self, database: str) -> str:
        """What stands in for a database, or itself.

        Raises:
            ExperimentError: Nothing of the chosen data does.
        """
        if not self.settings.stands_in:
            return database
        found = self.index.stand_ins.get(self.settings.data, {})
        if database not in found:
            raise ExperimentError(f'--data {self.settings.data}: nothing stands in for {database}')
        return found[database]

    def columns(self, experiment: Experiment) -> list[Column]:
        """What is measured, with the paper's columns that stand beside it."""
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
        """Database and variant of every run of an experiment."""
        for variant in experiment.trained_rows if experiment.trains else ():
            for database in self.databases(experiment):
                if self.variants.exists(database, variant):
                    yield database, variant

    def config(self, database: str, variant: str) -> Config:
        """The whole config of a run, but for its seed and starting weights."""
        settings, cfg = self.settings, self.variants.config(database, variant)
        if settings.data == 'synth':
            merge_options(cfg, self.index.short.get(cfg.model.get('type'), {}))
        merge_options(cfg, self._protocol(database))
        # Always, so that the last and the best epoch are of the same runs.
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
        """Folder of a database's files; None if it has none, or if the config's own counts."""
        entry = self.index.databases[database]
        if database in self.settings.data_roots:
            return self.settings.data_roots[database].resolve()
        if entry.folder is None or self.settings.data_root is None:
            return None
        return (self.settings.data_root / entry.folder).resolve()

    def model_config(self, database: str, variant: str) -> Config:
        """The config of a row's full-size model, for its cost, whatever stands in."""
        cfg = self.variants.config(database, variant)
        # Options are for what is trained, which with drawn faces is not that model.
        if not self.settings.stands_in:
            if cfg.model.get('priors'):
                merge_options(cfg, self.settings.adapter_options)
            merge_options(cfg, self.settings.options)
        return cfg

    def cost(self, database: str, variant: str) -> float:
        """GFLOPs of the model for one image, as published figures are counted."""
        cfg = self.model_config(database, variant)
        # Databases and trainings share models.
        key = f'{image_size(cfg)[0]} {cfg.model}'
        if key not in self._costs:
            self._costs[key] = published_cost(cfg).gflops
        return self._costs[key]

    def stage(self, database: str, variant: str, seed: int) -> Stage:
        """The training and test of one cell of a table with one seed."""
        name = self.variants.name(database, variant)
        key = (database, name, seed)
        if key not in self._stages:  # every table asks for all of its own whenever one is done
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
        """The stage whose test is the result of a run on a database."""
        if self.settings.select == 'best' and stage.is_trained and stage.given is None:
            return best_epoch(stage, self.index.databases[database].primary)
        return stage

    def sources(self, database: str, variant: str, seed: int) -> list[Stage]:
        """Stages whose checkpoints the run starts from, themselves after theirs."""
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
        """Checkpoints that no run makes, which have to be there."""
        stages = [*self.sources(database, variant, 0), self.stage(database, variant, 0)]
        made = {stage.checkpoint for stage in stages if stage.given is None}
        yield from (path for stage in stages for path in stage.inputs if path not in made)

    def notes(self, experiment: Experiment) -> list[str]:
        """What has to be said of the data of an experiment: protocol, and what selects an epoch."""
        found, on_test = [], []
        for name in experiment.databases:
            database = self.index.databases[name]
            if self.settings.stands_in:
                continue
            if self._protocol(name):
                found.append(f'Protocol of {name}, leak-free: {database.leak_free["says"]}.')
            elif database.protocol:
                found.append(f"Protocol of {name}, the paper's: {database.protocol}.")
            row = next(r for r in experiment.trained_rows if self.variants.exists(name, r))
            cfg = self.config(name, row)
            if unwrapped(cfg.val_dataloader.dataset) == unwrapped(cfg.test_dataloader.dataset):
                on_test.append(name)
        if on_test:
            found.append(f'Validation is on the test list: {", ".join(on_test)}.')
        return found

    def _protocol(self, database: str) -> Mapping[str, Any]:
        """Overrides of the chosen protocol; none for the paper's."""
        if self.settings.protocol == 'paper':
            return {}
        return self.index.databases[database].leak_free.get('set', {})

    def _makers(self, database: str) -> 'Runs':
        """What makes the weights that a database starts from.

        One that is the same in both protocols starts from the same weights in both.
        """
        return self if self._protocol(database) else self._paper

    def _sources(self, cfg: Config, database: str, seed: int) -> dict[str, tuple[Source, int]]:
        """Setting that names a checkpoint -> what makes it, and with which seed.

        What a database starts from is one set of weights for all seeds, as the APViT paper has it;
        what a row names is made by a run of the same seed.
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
    """Look for everything that is needed, rather now than after a day of training.

    Raises:
        ExperimentError: A database's folder or a checkpoint to start from is missing.
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
            'these databases are not there:\n  '
            + '\n  '.join(f'{name}: no folder {root}' for root, name in folders.items())
            + '\nSay where they are (--data-root DIR, or --data-root NAME=DIR for one), choose '
            'others (--databases), or draw faces instead (--data synth)'
        )
    if files:
        raise ExperimentError(
            'training starts from checkpoints that are not there:\n  '
            + '\n  '.join(f'{path}, for {user}: {how_to_get(path)}' for path, user in files.items())
        )


def data_roots(cfg: Config) -> set[str]:
    """Folders that the datasets of a config read; those of drawn faces read none."""
    return {dataset.data_root for dataset in _datasets(cfg) if dataset.get('data_root')}


def set_data_root(cfg: Config, root: str | Path) -> None:
    """Let all datasets of a config read another folder."""
    for dataset in _datasets(cfg):
        dataset.data_root = str(root)


def set_seed(cfg: Config, seed: int) -> None:
    """Let a training draw from another seed."""
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)


def _datasets(cfg: Config) -> list[ConfigDict]:
    """The datasets of all loaders, those inside of wrappers."""
    return [unwrapped(cfg[name].dataset) for name in _LOADERS]


def _store_prior_tokens(cfg: Config) -> None:
    """Train on what testing sees, for which the tokens of the priors are computed only once."""
    cfg.train_dataloader.dataset.pipeline = cfg.test_dataloader.dataset.pipeline
    # In the folder of the run, which nothing else reads.
    hook = dict(type='PriorTokenCacheHook')
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
