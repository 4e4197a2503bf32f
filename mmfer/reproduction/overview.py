# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Lists of experiments and their trainings, with progress, as text."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from mmfer.utils.markdown import markdown_table

from .index import Experiment
from .runs import Runs
from .stages import Stage


def plan(runs: Runs, experiment: Experiment, seeds: Sequence[int]) -> list[Stage]:
    """Return the distinct trainings of an experiment, in the order in which they run."""
    stages: dict[Path, Stage] = {}
    for seed in seeds:
        for database, row in runs.cells(experiment):
            for stage in (*runs.sources(database, row, seed), runs.stage(database, row, seed)):
                stages.setdefault(stage.folder, stage)
    return list(stages.values())


def list_experiments(all_runs: Iterable[Runs], seeds: Sequence[int]) -> str:
    """Return a table of all experiments for the data: name, rows, trainings, databases, title."""
    lines = [('name', 'rows', 'trainings', 'databases', 'title')]
    listed = [(r, e) for r in all_runs for e in r.index.experiments.values() if r.has(e)]
    for runs, experiment in listed:
        stages = plan(runs, experiment, seeds)
        done = sum(stage.is_trained for stage in stages)
        names = ', '.join(runs.databases(experiment))
        rows = str(len(experiment.rows))
        lines.append((experiment.name, rows, f'{done}/{len(stages)} done', names, experiment.title))
    return markdown_table(lines)


def list_stages(runs: Runs, experiment: Experiment, seeds: Sequence[int]) -> str:
    """Return a list of the trainings of an experiment, with their state."""
    lines = [f'{experiment.name}: {experiment.title}']
    lines += [
        f'  {_state(stage):8}{stage.name}: {stage.folder}'
        for stage in plan(runs, experiment, seeds)
    ]
    return '\n'.join(lines) + '\n'


def _state(stage: Stage) -> str:
    if stage.is_tested:
        return 'tested'
    return 'trained' if stage.is_trained else '-'
