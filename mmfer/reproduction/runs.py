# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From an index to trainings: the config, the folder and the starting weights of every run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.model import PretrainedInit

from mmfer.analysis.model_cost import published_cost
from mmfer.registry import WEIGHT_INITIALIZERS
from mmfer.utils.components import is_component
from mmfer.utils.config_options import merge_options, walk
from mmfer.utils.dataset_config import unwrapped
from mmfer.utils.picture_size import picture_size

from .best_epoch import best_epoch
from .index import Experiment, ExperimentError, Index, Source
from .stages import Stage
from .variants import Variants, get

#: What all databases become with drawn faces.
DRAWN = 'SynthFace'
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@dataclass(frozen=True)
class Settings:
    """How runs are made.

    Args:
        work_dir: Where all of them go.
        tools: Folder of ``train.py`` and ``test.py``.
        data_root: Folder that holds the databases' folders; None where they are not at hand.
        data_roots: Database -> its folder, for those elsewhere.
        synth: Whether drawn faces stand in for every database.
        options: ``--cfg-options`` for every run.
        processes: GPUs, or processes on CPUs, for each training.
        select: What a run has reached: the test of its ``'last'`` checkpoint, or of that with the
            ``'best'`` validation accuracy.
    """

    work_dir: Path
    tools: Path
    data_root: Path | None = None
    data_roots: Mapping[str, Path] = field(default_factory=dict)
    synth: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1
    select: str = 'last'


class Runs:
    """Knows how every row of every table is trained, and in which folder.

    Rows of several tables that come out as the same training share it: its folder is called after
    the first variant of the index that makes it.

    Args:
        index: What there is.
        settings: How it is done.
    """

    def __init__(self, index: Index, settings: Settings):
        self.index = index
        self.settings = settings
        self.variants = Variants(index)
        self._costs: dict[str, float] = {}

    def databases(self, experiment: Experiment) -> tuple[str, ...]:
        """What the experiment's columns are trained on here."""
        return (DRAWN,) if self.settings.synth else experiment.databases

    def cells(self, experiment: Experiment) -> Iterator[tuple[str, str]]:
        """Database and variant of every run of an experiment."""
        for variant in experiment.rows:
            for database in self.databases(experiment):
                if self.variants.exists(database, variant):
                    yield database, variant

    def config(self, database: str, variant: str) -> Config:
        """The whole config of a run, but for its seed and starting weights."""
        cfg = self._model_config(database, variant, self.settings.options)
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

    def cost(self, database: str, variant: str) -> float:
        """GFLOPs of the model for one picture, as published figures are counted."""
        # Options are for what is trained, which with drawn faces is not the paper's model.
        options = {} if self.settings.synth else self.settings.options
        cfg = self._model_config(database, variant, options)
        # Databases and trainings share models.
        key = f'{picture_size(cfg)[0]} {cfg.model}'
        if key not in self._costs:
            self._costs[key] = published_cost(cfg).gflops
        return self._costs[key]

    def stage(self, database: str, variant: str, seed: int) -> Stage:
        """The training and test of one cell of a table with one seed."""
        name = self.variants.name(database, variant)
        cfg = self.config(database, variant)
        inputs = self._start(cfg, self.index.databases[database].weights)
        return self._stage(f'{database}, {name}', cfg, Path(database) / name, seed, inputs)

    def counted(self, stage: Stage) -> Stage:
        """The stage whose test is the result of a run.

        Returns:
            ``stage`` itself also where the best epoch counts and no checkpoint of it was kept.
        """
        if self.settings.select == 'best' and stage.is_trained:
            return best_epoch(stage) or stage
        return stage

    def sources(self, database: str, variant: str) -> list[Stage]:
        """Stages whose checkpoints the run starts from, themselves after theirs."""
        cfg = self.config(database, variant)
        found = []
        for key, source in self.index.databases[database].weights.items():
            if get(cfg, key) is not None:
                if source.database is not None:
                    found += self.sources(source.database, source.variant)
                found.append(self._source_stage(source))
        return found

    def required_files(self, database: str, variant: str) -> Iterator[Path]:
        """Checkpoints that no run makes, which have to be there."""
        stages = [*self.sources(database, variant), self.stage(database, variant, seed=0)]
        made = {stage.checkpoint for stage in stages}
        yield from (path for stage in stages for path in stage.inputs if path not in made)

    def _model_config(self, database: str, variant: str, options: Mapping[str, Any]) -> Config:
        cfg = self.variants.config(database, variant)
        merge_options(cfg, options)
        return cfg

    def _source_stage(self, source: Source) -> Stage:
        # One set of weights for all seeds, as the paper has it.
        if source.config is None:
            return self.stage(source.database, source.variant, seed=0)
        cfg = self.variants.read(source.config)
        merge_options(cfg, self.settings.options)
        folder = Path('weights') / source.config.stem
        return self._stage(f'weights {source.config.stem}', cfg, folder, 0, [])

    def _start(self, cfg: Config, weights: Mapping[str, Source]) -> list[Path]:
        """Let ``cfg`` start from what other stages make; returns all files it starts from."""
        for key, source in weights.items():
            if get(cfg, key) is not None:
                cfg.merge_from_dict({key: str(self._source_stage(source).checkpoint)})
        return [Path(path) for path in _checkpoints(cfg)]

    def _stage(
        self, title: str, cfg: Config, folder: Path, seed: int, inputs: Sequence[Path]
    ) -> Stage:
        set_seed(cfg, seed)
        settings = self.settings
        folder = settings.work_dir / folder / f'seed{seed}'
        name = f'{title}, seed {seed}'
        return Stage(name, cfg, folder, inputs, settings.tools, settings.processes)


def check(runs: Runs, experiments: Iterable[Experiment]) -> None:
    """Look for everything that is needed, rather now than after a day of training.

    Raises:
        ExperimentError: A database's folder or a checkpoint to start from is missing.
        UnknownOptionError: A config does not have one of the options.
    """
    folders, files = {}, {}
    for experiment in experiments:
        for database, variant in runs.cells(experiment):
            needed = {database: variant}
            for source in runs.index.databases[database].weights.values():
                if source.database is not None:
                    needed[source.database] = source.variant
            for name, its_variant in needed.items():
                roots = data_roots(runs.config(name, its_variant))
                folders |= {root: name for root in roots if not Path(root).is_dir()}
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
            + '\n  '.join(f'{path}, for {user}' for path, user in files.items())
            + '\nThe README says under "Weights" where they come from and how they are converted'
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


def _checkpoints(cfg: Config) -> list[str]:
    """Files that a model starts from: ``load_from``, and of every ``init_cfg``."""
    found = [cfg.load_from] if cfg.get('load_from') else []
    for _, node in walk(cfg.model):
        if isinstance(node, Mapping) and is_component(node, WEIGHT_INITIALIZERS, PretrainedInit):
            found.append(node['checkpoint'])
    return found
