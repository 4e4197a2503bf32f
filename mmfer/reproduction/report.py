# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Does what an experiment needs, and writes its table and figure as files and on the screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from mmfer.utils.atomic_file import atomic_write
from mmfer.visualization.figures import save_figure

from .figures import draw
from .index import ACCURACY, Experiment, ExperimentError
from .progress import Progress
from .runs import Runs
from .stages import Stage
from .table import Column, Results, to_csv, to_markdown

_SELECTED = {
    'last': 'Tests of the last epoch; the released code selects the best one by the test list.\n',
    'best': 'Tests of the epoch with the best validation accuracy of each run.\n',
}
_NOT_KEPT = (
    'No checkpoint of that epoch was kept, and the last epoch was tested (training with '
    f'default_hooks.checkpoint.save_best={ACCURACY} keeps it): '
)
_STANDS_IN = (
    "Small nets on drawn faces stand in for the paper's; only gains compare. A gain is that over "
    'the row without one; the trend is its sign where it is larger than its standard deviation.\n'
)


class Report:
    """Writes ``NAME.md``, ``NAME.csv`` and, where there is a figure, ``NAME.png``.

    Args:
        published: Experiment -> row -> column -> the paper's value.
        runs: How everything is done; files go to its work folder.
        seeds: A training of each row for each.
        progress: Shows what is going on.
    """

    def __init__(self, published: Mapping, runs: Runs, seeds: Sequence[int], progress: Progress):
        self.published = published
        self.runs = runs
        self.seeds = seeds
        self.progress = progress
        self._not_kept: list[str] = []

    @classmethod
    def from_file(cls, path: Path, *args) -> 'Report':
        """With the published values of a file such as ``configs/apvit/published.yml``."""
        return cls(yaml.safe_load(path.read_text(encoding='utf-8')), *args)

    def costs(self, experiment: Experiment) -> None:
        """Write the table without results.

        Raises:
            ExperimentError: It has no costs, so nothing would be left of it.
        """
        if experiment.cost is None:
            raise ExperimentError(
                f'{experiment.name} needs data: --data-root DIR, or --data synth for small nets '
                'on drawn faces'
            )
        self._finish(self._results(experiment, {}, has_runs=False))

    def collect(self, experiment: Experiment) -> None:
        """Write the table of what is done."""
        self._finish(self._done(experiment))

    def reproduce(self, experiment: Experiment) -> None:
        """Train and test what is not done yet, and write the table whenever a run is."""
        for seed in self.seeds:
            for database, row in self.runs.cells(experiment):
                for source in self.runs.sources(database, row):
                    with self.progress, source.held(self.progress.say):
                        self._train(source)
                stage = self.runs.stage(database, row, seed)
                with self.progress, stage.held(self.progress.say):
                    self._train(stage)
                    counted = self.runs.counted(stage)
                    counted.prepare()
                    if not counted.is_tested:
                        self.progress.say(f'test  {counted.name}')
                    counted.test(self.progress.tell)
                self._write(self._done(experiment))
        self.collect(experiment)

    def _train(self, stage: Stage) -> None:
        stage.prepare()
        if not stage.is_trained:
            self.progress.say(f'train {stage.name}')
        stage.train(self.progress.tell)

    def _done(self, experiment: Experiment) -> Results:
        """The results of all runs that are done."""
        measured: dict[tuple[str, str], dict[int, float]] = {}
        self._not_kept = []
        for seed in self.seeds:
            for database, row in self.runs.cells(experiment):
                stage = self.runs.stage(database, row, seed)
                counted = self.runs.counted(stage)
                if not counted.is_tested:
                    continue
                if self.runs.settings.select == 'best' and counted is stage:
                    self._not_kept.append(stage.name)
                for name, metric in (experiment.metrics or {database: ACCURACY}).items():
                    value = _reached(counted, metric)
                    measured.setdefault((row, name), {})[seed] = value
        return self._results(experiment, measured)

    def _results(self, experiment: Experiment, measured: Mapping, has_runs: bool = True) -> Results:
        published = self.published.get(experiment.name, {})
        return Results(
            experiment,
            self._columns(experiment),
            published,
            measured,
            self._costs(experiment),
            has_runs,
        )

    def _columns(self, experiment: Experiment) -> list[Column]:
        """The table's columns of results, with the paper's that stand beside them."""
        stands_in = self.runs.settings.synth
        if experiment.metrics:
            return [Column(name, (name,), stands_in) for name in experiment.metrics]
        names = self.runs.databases(experiment)
        return [Column(n, experiment.databases if stands_in else (n,), stands_in) for n in names]

    def _costs(self, experiment: Experiment) -> dict[str, float]:
        """GFLOPs of every row on the paper's first database: those of the full-size models."""
        if experiment.cost is None:
            return {}
        database = experiment.databases[0]
        rows = (row for row in experiment.rows if self.runs.variants.exists(database, row))
        return {row: self.runs.cost(database, row) for row in rows}

    def _finish(self, results: Results) -> None:
        text = self._write(results)
        figure = draw(self.runs, results, self.seeds)
        written = [self._path(results, 'md')]
        if figure is not None:
            written.append(self._path(results, 'png'))
            save_figure(figure, written[-1])
        self.progress.say(f'done: {", ".join(map(str, written))}')
        print(f'\n{text}')

    def _write(self, results: Results) -> str:
        experiment = results.experiment
        name = experiment.name.replace('table', 'Table ').replace('figure', 'Figure ')
        text = f'{name}. {experiment.title}\n\n{to_markdown(results)}'
        if results.has_runs:
            text += f'\n{_SELECTED[self.runs.settings.select]}'
            if self._not_kept:
                text += f'{_NOT_KEPT}{"; ".join(self._not_kept)}.\n'
        if self.runs.settings.synth:
            text += f'\n{_STANDS_IN}'
        atomic_write(self._path(results, 'md'), text.encode())
        atomic_write(self._path(results, 'csv'), to_csv(results).encode())
        return text

    def _path(self, results: Results, suffix: str) -> Path:
        return self.runs.settings.work_dir / f'{results.experiment.name}.{suffix}'


def _reached(stage: Stage, metric: str) -> float:
    """A figure of a test."""
    found = stage.metrics
    if metric not in found:
        raise ExperimentError(
            f'{stage.folder}: its test gave no {metric}, only {", ".join(found)}; see '
            'test_evaluator in its config'
        )
    return float(found[metric])
