# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Tables and figures of experiments, as files and on the screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from mmfer.utils.atomic_file import atomic_write
from mmfer.visualization.figures import save_figure

from .engine import collect, columns, costs, reproduce
from .figures import draw
from .index import Experiment, ExperimentError
from .progress import Progress
from .runs import Runs
from .table import Results, to_csv, to_markdown

_SELECTED = {
    'last': 'Tests of the last epoch; the released code selects the best one by the test list.\n',
    'best': 'The best validation of each run, as the released code selects.\n',
}
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
        progress: Told what is going on.
    """

    def __init__(self, published: Mapping, runs: Runs, seeds: Sequence[int], progress: Progress):
        self.published = published
        self.runs = runs
        self.seeds = seeds
        self.progress = progress

    @classmethod
    def from_file(cls, path: Path, *args) -> 'Report':
        """With the published values of a file such as ``configs/apvit/published.yml``."""
        return cls(yaml.safe_load(path.read_text(encoding='utf-8')), *args)

    def costs(self, experiment: Experiment) -> None:
        """The table without results.

        Raises:
            ExperimentError: It has no costs, so nothing would be left of it.
        """
        if experiment.cost is None:
            raise ExperimentError(
                f'{experiment.name} needs data: --data-root DIR, or --data synth for small nets '
                'on drawn faces'
            )
        results = Results(
            experiment,
            columns(self.runs, experiment),
            self._published(experiment),
            gflops=costs(self.runs, experiment),
            has_runs=False,
        )
        self._finish(results, draws=False)

    def collect(self, experiment: Experiment) -> None:
        """The table of what is done."""
        results = collect(self.runs, experiment, self.seeds, self._published(experiment))
        self._finish(results)

    def reproduce(self, experiment: Experiment) -> None:
        """Do what is not done, and write the table whenever a run is."""
        results = reproduce(
            self.runs,
            experiment,
            self.seeds,
            self._published(experiment),
            self.progress,
            self._write,
        )
        self._finish(results)

    def _published(self, experiment: Experiment) -> Mapping[str, Mapping[str, float]]:
        return self.published.get(experiment.name, {})

    def _finish(self, results: Results, draws: bool = True) -> None:
        text = self._write(results)
        figure = draw(self.runs, results, self.seeds) if draws else None
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
        if self.runs.settings.synth:
            text += f'\n{_STANDS_IN}'
        atomic_write(self._path(results, 'md'), text.encode())
        atomic_write(self._path(results, 'csv'), to_csv(results).encode())
        return text

    def _path(self, results: Results, suffix: str) -> Path:
        return self.runs.settings.work_dir / f'{results.experiment.name}.{suffix}'
