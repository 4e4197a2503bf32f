# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Do what an experiment needs and gather what it reached."""

from collections.abc import Callable, Mapping, Sequence

from mmfer.analysis.training_logs import read_training_log

from .index import ACCURACY, Experiment, ExperimentError
from .progress import Progress
from .runs import Runs
from .stages import Stage
from .table import Column, Results


def plan(runs: Runs, experiment: Experiment, seeds: Sequence[int]) -> list[Stage]:
    """Every training of an experiment, each once, in the order in which they are done."""
    stages = {}
    for seed in seeds:
        for database, row in runs.cells(experiment):
            for stage in (*runs.sources(database, row), runs.stage(database, row, seed)):
                stages.setdefault(stage.folder, stage)
    return list(stages.values())


def reproduce(
    runs: Runs,
    experiment: Experiment,
    seeds: Sequence[int],
    published: Mapping[str, Mapping[str, float]],
    progress: Progress,
    finished: Callable[[Results], None] = lambda _: None,
) -> Results:
    """Train and test what is not done yet.

    Args:
        runs: How it is done.
        experiment: What is done.
        seeds: A training for each.
        published: The paper's values of this experiment, row -> column -> value.
        progress: Told what is going on.
        finished: Called with what there is whenever a run is done.
    """
    for seed in seeds:
        for database, row in runs.cells(experiment):
            for source in runs.sources(database, row):
                with progress, source.held(progress.say):
                    _train(source, progress)
            stage = runs.stage(database, row, seed)
            with progress, stage.held(progress.say):
                _train(stage, progress)
                if not stage.is_tested:
                    progress.say(f'test  {stage.name}')
                stage.test(progress.tell)
            finished(collect(runs, experiment, seeds, published))
    return collect(runs, experiment, seeds, published)


def collect(
    runs: Runs,
    experiment: Experiment,
    seeds: Sequence[int],
    published: Mapping[str, Mapping[str, float]],
) -> Results:
    """The results of all runs that are done."""
    measured: dict[tuple[str, str], dict[int, float]] = {}
    for seed in seeds:
        for database, row in runs.cells(experiment):
            stage = runs.stage(database, row, seed)
            if not stage.is_tested:
                continue
            for name, metric in (experiment.metrics or {database: ACCURACY}).items():
                value = _reached(stage, metric, runs.settings.select)
                measured.setdefault((row, name), {})[seed] = value
    return Results(
        experiment, columns(runs, experiment), published, measured, costs(runs, experiment)
    )


def columns(runs: Runs, experiment: Experiment) -> list[Column]:
    """The table's columns of results, with the paper's that stand beside them."""
    stands_in = runs.settings.synth
    if experiment.metrics:
        return [Column(name, (name,), stands_in) for name in experiment.metrics]
    if stands_in:
        return [Column(name, experiment.databases, True) for name in runs.databases(experiment)]
    return [Column(name, (name,)) for name in experiment.databases]


def costs(runs: Runs, experiment: Experiment) -> dict[str, float]:
    """GFLOPs of every row on the paper's first database: those of the full-size models."""
    if experiment.cost is None:
        return {}
    database = experiment.databases[0]
    return {
        row: runs.cost(database, row)
        for row in experiment.rows
        if runs.variants.exists(database, row)
    }


def _train(stage: Stage, progress: Progress) -> None:
    stage.prepare()
    if not stage.is_trained:
        progress.say(f'train {stage.name}')
    stage.train(progress.tell)


def _reached(stage: Stage, metric: str, select: str) -> float:
    """A run's result: of the test of its last checkpoint, or of its best validation."""
    if select == 'best':
        curves = read_training_log(stage.folder)
        found = {n: c.values.max() for n, c in curves.items() if c.part == 'validation'}
        where, section = 'validation', 'val_evaluator'
    else:
        found, where, section = stage.metrics, 'test', 'test_evaluator'
    if metric not in found:
        raise ExperimentError(
            f'{stage.folder}: its {where} gave no {metric}, only {", ".join(found)}; see {section} '
            'in its config'
        )
    return float(found[metric])
