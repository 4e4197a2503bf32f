# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Run the trainings of an experiment, and write its table and figure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmfer.utils.atomic_file import atomic_write
from mmfer.utils.file_lock import InUseError
from mmfer.visualization.figures import save_figure

from .figures import draw
from .index import Experiment, ExperimentError
from .progress import Progress
from .published import Published
from .runs import Runs
from .stages import Stage
from .table import Column, Results, to_csv, to_markdown

_SELECTED = {
    'last': 'All results are from tests of the last epoch.',
    'best': 'All results are from tests of the epoch with the best {primary} in validation.',
}
_GIVEN = 'These rows are tests of given checkpoints (--weights) instead: {rows}.'
_STANDS_IN = (
    'Small models stand in for those of the paper{drawn}, so only gains can be compared. A gain is '
    'the difference to the reference row, computed per seed. The trend is the sign of the gain, if '
    'the gain is larger than its standard deviation.'
)
_GAINS = 'A gain is positive if the row is better than {reference}; gains are computed per seed.'
_BEST_OF = (
    'A row that is the best of others shows, in each column, the row with the best mean on the '
    'test list, so its results are optimistic: {rows}.'
)
_CHANGED = "The paper's values are omitted, because these options change the training: {changes}."
_OTHERWISE = (
    "The paper's values are omitted, because these runs were trained with other settings than "
    'those of this command: {folders}.'
)


class Report:
    """Writer of ``NAME.md``, ``NAME.csv`` and, if the experiment has a figure, ``NAME.png``.

    Args:
        published (Published): The paper's values.
        runs (Runs): The runs; reports are written to its work folder.
        seeds (Sequence[int]): Seeds; every row is trained once per seed.
        progress (Progress): Progress display.
    """

    def __init__(self, published: Published, runs: Runs, seeds: Sequence[int], progress: Progress):
        self.published = published
        self.runs = runs
        self.seeds = seeds
        self.progress = progress

    def costs(self, experiment: Experiment) -> None:
        """Write the table with costs only.

        Raises:
            ExperimentError: The experiment has no costs, so the table would be empty.
        """
        if experiment.cost is None:
            raise ExperimentError(
                f'{experiment.name} needs data: --data-root DIR, or --data synth for small models '
                'on drawn faces'
            )
        self._finish(self._results(experiment, {}, has_runs=False))

    def collect(self, experiment: Experiment) -> None:
        """Write the table of all finished runs."""
        self._finish(self._done(experiment))

    def reproduce(self, experiment: Experiment) -> None:
        """Train and test all unfinished runs, and write the table after each of them.

        Runs of other processes are skipped first; at the end, this process waits for them.
        """
        cells = [(*cell, seed) for seed in self.seeds for cell in self.runs.cells(experiment)]
        left = [cell for cell in cells if not self._reach(experiment, *cell)]
        for cell in left:
            self._reach(experiment, *cell, self.progress.log)
        self.collect(experiment)

    def _reach(
        self,
        experiment: Experiment,
        database: str,
        row: str,
        seed: int,
        wait: Callable[[str], None] | None = None,
    ) -> bool:
        """Train and test a row; return False if another process is running it."""
        missed = False
        for source in self.runs.sources(database, row, seed):
            try:
                with self.progress, source.held(wait):
                    self._train(source)
            except InUseError:
                missed = True
        if missed:
            return False
        stage = self.runs.stage(database, row, seed)
        try:
            with self.progress, stage.held(wait):
                self._train(stage)
                counted = self.runs.counted(database, stage)
                counted.prepare()
                if not counted.is_tested:
                    self.progress.log(f'test  {counted.name}')
                counted.test(self.progress.update)
        except InUseError:
            return False
        self._write(self._done(experiment))
        return True

    def _train(self, stage: Stage) -> None:
        stage.prepare()
        if not stage.is_trained:
            self.progress.log(f'train {stage.name}')
        stage.train(self.progress.update)

    def _done(self, experiment: Experiment) -> Results:
        """Collect the results of all finished runs."""
        measured: dict[tuple[str, str], dict[int, float]] = {}
        columns, otherwise = self.runs.columns(experiment), []
        for seed in self.seeds:
            for database, row in self.runs.cells(experiment):
                stage = self.runs.stage(database, row, seed)
                counted = self.runs.counted(database, stage)
                if not counted.is_tested:
                    continue
                if not stage.is_as_made:
                    otherwise.append(str(counted.folder))
                for column in columns:
                    if column.database == database:
                        value = _metric(counted, column.metric)
                        measured.setdefault((row, column.name), {})[seed] = value
        return self._results(experiment, measured, otherwise=otherwise)

    def _results(
        self,
        experiment: Experiment,
        measured: Mapping,
        has_runs: bool = True,
        otherwise: Sequence[str] = (),
    ) -> Results:
        settings, columns = self.runs.settings, self.runs.columns(experiment)
        if otherwise:
            columns = [replace(column, published=()) for column in columns]
        # Options also change costs. Stand-ins always show the costs of the unchanged paper models.
        compares = settings.stands_in or not settings.changes
        return Results(
            experiment,
            columns,
            self.published.rows(experiment) if compares else {},
            measured,
            self._costs(experiment),
            has_runs,
            self.published.marks(experiment, _shown(columns)),
            otherwise,
        )

    def _costs(self, experiment: Experiment) -> dict[str, float]:
        """Return the GFLOPs of every row's full-size model on the first database."""
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
        self.progress.log(f'done: {", ".join(map(str, written))}')
        print(f'\n{text}')

    def _write(self, results: Results) -> str:
        experiment = results.experiment
        text = f'{_title(experiment.name)}. {experiment.title}\n\n{to_markdown(results)}'
        text += ''.join(f'\n{note}\n' for note in self._notes(results))
        atomic_write(self._path(results, 'md'), text.encode())
        atomic_write(self._path(results, 'csv'), to_csv(results).encode())
        return text

    def _notes(self, results: Results) -> list[str]:
        """Return the notes below a table."""
        experiment, settings = results.experiment, self.runs.settings
        notes = [experiment.note] if experiment.note else []
        if results.has_runs:
            databases = self.runs.index.databases
            primary = {databases[name].primary for name in self.runs.databases(experiment)}
            notes.append(_SELECTED[settings.select].format(primary=' or '.join(sorted(primary))))
            given = [
                f'{database}, {row}: {checkpoint}'
                for database, row in self.runs.cells(experiment)
                if (checkpoint := self.runs.stage(database, row, self.seeds[0]).given)
            ]
            if given:
                notes.append(_GIVEN.format(rows='; '.join(given)))
            notes += self.runs.notes(experiment)
            if settings.changes:
                notes.append(_CHANGED.format(changes=', '.join(settings.changes)))
            elif results.otherwise:
                notes.append(_OTHERWISE.format(folders=', '.join(results.otherwise)))
            if settings.stands_in:
                drawn = ', on drawn faces' if settings.data == 'synth' else ''
                notes.append(_STANDS_IN.format(drawn=drawn))
                if experiment.cost:
                    notes.append("FLOPs are those of the paper's models, not of the small ones.")
            if experiment.separate and experiment.reference:
                reference = 'the baseline of its encoder'
                if isinstance(experiment.reference, str):
                    reference = f'"{" ".join(experiment.rows[experiment.reference])}"'
                notes.append(_GAINS.format(reference=reference))
        if experiment.best_of:
            rows = [f'{row} of {", ".join(parts)}' for row, parts in experiment.best_of.items()]
            notes.append(_BEST_OF.format(rows='; '.join(rows)))
        return notes + self.published.footnotes(experiment, _shown(results.columns))

    def _path(self, results: Results, suffix: str) -> Path:
        settings, name = self.runs.settings, results.experiment.name
        protocol = '' if settings.protocol == 'paper' else f'-{settings.protocol}'
        selected = '' if settings.select == 'last' else f'-{settings.select}'
        return settings.work_dir / f'{name}{protocol}{selected}.{suffix}'


def _shown(columns: Iterable[Column]) -> set[str]:
    """Return the names of the paper's columns in a table."""
    return {name for column in columns for name in column.published}


def _title(name: str) -> str:
    """Return the title in the paper's form: ``Table 3, M-to-M`` for ``table3-M-to-M``."""
    name = name.replace('kt-', 'KT-Adapter, ', 1)
    name = re.sub(r'(table|figure)(\d+)-?', lambda it: f'{it[1].title()} {it[2]}, ', name)
    return name.removesuffix(', ')


def _metric(stage: Stage, metric: str) -> float:
    """Return the value of a metric in a test."""
    found = stage.metrics
    if metric not in found:
        raise ExperimentError(
            f'{stage.folder}: the test has no metric {metric}, only {", ".join(found)}; see '
            'test_evaluator in the config'
        )
    return float(found[metric])
