# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Figures of experiments, drawn from finished runs."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmfer.analysis.compare_attention import compare_attention
from mmfer.analysis.compare_features import compare_features
from mmfer.analysis.compare_maps import compare_maps
from mmfer.benchmark.encoder_costs import measure_encoder_costs
from mmfer.evaluation.confusion_matrix_file import read_confusion_matrix
from mmfer.visualization.class_bars import draw_class_bars
from mmfer.visualization.confusion_matrix import draw_confusion_matrices
from mmfer.visualization.encoder_costs import draw_encoder_costs
from mmfer.visualization.heat_map import draw_heat_map

from .index import grid_variant
from .runs import Runs
from .table import Results


def draw(runs: Runs, results: Results, seeds: Sequence[int]) -> Figure | None:
    """Draw the figure of an experiment; None if it has no figure or no results yet."""
    kind = results.experiment.figure
    if kind is None or (results.experiment.trains and not results.measured):
        return None
    drawings = {
        'heat_map': lambda: _heat_map(results),
        'class_bars': lambda: _class_bars(results),
        'confusion': lambda: _confusion(runs, results, seeds),
        'maps': lambda: _maps(runs, results, seeds),
        'attention': lambda: _attention(runs, results, seeds),
        'encoder_costs': lambda: _encoder_costs(runs, results),
        'features': lambda: _features(runs, results, seeds),
    }
    return drawings[kind]()


def _heat_map(results: Results) -> Figure:
    """Draw accuracy over k and r."""
    experiment, column = results.experiment, results.columns[0]
    ks, rs = experiment.grid['k'], experiment.grid['r']
    measured = np.full((len(rs), len(ks)), np.nan)
    published = measured.copy()
    for row, rate in enumerate(rs):
        for place, keep in enumerate(ks):
            name = grid_variant(keep, rate)[0]
            values = results.values(name, column)
            if values:
                measured[row, place] = statistics.mean(values)
            if column.published and not column.stands_in:
                paper = results.published.get(name, {})
                published[row, place] = paper.get(column.name, np.nan)
    return draw_heat_map(
        measured,
        [f'{rate:g}' for rate in rs],
        [f'{keep:g}' for keep in ks],
        title=f'{experiment.title.split(" on ")[0]} on {column.name}',
        row_title='keep rate r',
        column_title='keep number k, of 196 patches',
        label='accuracy, %',
        published=published,
    )


def _class_bars(results: Results) -> Figure:
    """Draw the accuracy of each class, with one series per row and per row of the paper."""
    experiment, series, spreads = results.experiment, {}, {}
    compares = results.columns[0].published and not results.columns[0].stands_in
    for row, cells in experiment.rows.items():
        values = {c.name: results.values(row, c) for c in results.columns}
        values = {name: of_seeds for name, of_seeds in values.items() if of_seeds}
        if values:
            series[cells[0]] = {name: statistics.mean(v) for name, v in values.items()}
            spreads[cells[0]] = {
                name: statistics.stdev(v) for name, v in values.items() if len(v) > 1
            }
        if row in results.published and compares:
            series[f'{cells[0]}, paper'] = results.published[row]
    title = experiment.title
    if results.columns[0].stands_in:
        title += f'; {results.columns[0].database} stands in'
    return draw_class_bars(series, spreads=spreads, title=title)


def _confusion(runs: Runs, results: Results, seeds: Sequence[int]) -> Figure:
    """Draw confusion matrices, summed over all seeds, with one panel per database."""
    panels = {}
    (row,) = results.experiment.rows
    for database in runs.databases(results.experiment):
        stages = [runs.counted(database, runs.stage(database, row, seed)) for seed in seeds]
        found = [read_confusion_matrix(stage.confusion) for stage in stages if stage.is_tested]
        if found:
            panels[database] = (sum(matrix for matrix, _ in found), found[0][1])
    return draw_confusion_matrices(panels)


def _maps(runs: Runs, results: Results, seeds: Sequence[int]) -> Figure | None:
    """Draw the local maps of TransFER next to the patches that APViT keeps; first seed."""
    models = _both_models(runs, results, seeds)
    return None if models is None else compare_maps(*models[1], models[0], title='')


def _attention(runs: Runs, results: Results, seeds: Sequence[int]) -> Figure | None:
    """Draw kept patches and attribution of the models without and with pooling; first seed."""
    models = _both_models(runs, results, seeds)
    if models is None:
        return None
    return compare_attention(*models[1], models[0], method='attribution', title='')


def _both_models(
    runs: Runs, results: Results, seeds: Sequence[int]
) -> list[tuple[Path, Path]] | None:
    """Return config and checkpoint of both rows for the first seed; None until both are tested."""
    (database,) = runs.databases(results.experiment)
    stages = [
        runs.counted(database, runs.stage(database, row, seeds[0]))
        for row in results.experiment.rows
    ]
    if not all(stage.is_tested for stage in stages):
        return None
    return [(stage.config_file, stage.checkpoint) for stage in stages]


def _encoder_costs(runs: Runs, results: Results) -> Figure:
    """Draw the costs of ensembles and of one encoder with the adapter.

    The models are always the full-size ones of the paper, also with stand-ins.
    """
    (database,) = results.experiment.databases
    rows = results.experiment.rows.items()
    configs = {cells[0]: runs.model_config(database, row) for row, cells in rows}
    return draw_encoder_costs(measure_encoder_costs(configs))


def _features(runs: Runs, results: Results, seeds: Sequence[int]) -> Figure | None:
    """Draw the features of the first seed's models for the same faces."""
    (database,) = runs.databases(results.experiment)
    found = []
    for row, cells in results.experiment.rows.items():
        stage = runs.counted(database, runs.stage(database, row, seeds[0]))
        if stage.is_tested:
            found.append((cells[0], stage.config_file, stage.checkpoint))
    return compare_features(found, title='') if len(found) > 1 else None
