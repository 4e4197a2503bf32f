# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Tables of what was measured beside what was published."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmfer.utils.csv_text import csv_text
from mmfer.utils.markdown import markdown_table

from .index import Experiment

#: Words of the column that compares a gain with the published one.
TREND = {
    'same': 'as published',
    'opposite': 'opposite',
    'within': 'within the spread',
    'single': 'one seed',
    'divided': 'paper divided',
}


@dataclass(frozen=True)
class Column:
    """A column of results.

    Attributes:
        name: As in the paper, or the stand-in's.
        published: Names of the paper's columns that are shown beside it: its own, or those of
            every database that is stood in for.
        stands_in: Whether it is measured on other data than the paper's, so that its gains
            compare, and its values do not.
    """

    name: str
    published: tuple[str, ...]
    stands_in: bool = False


@dataclass(frozen=True)
class Results:
    """All numbers of a table.

    Attributes:
        experiment: What it is.
        columns: What is measured.
        measured: (row, column) -> a value for each seed that is done.
        published: Row -> column, ``'share'`` or ``'GFLOPs'`` -> the paper's value.
        gflops: Row -> cost of the paper's model.
        has_runs: False where only costs are computed.
    """

    experiment: Experiment
    columns: Sequence[Column]
    published: Mapping[str, Mapping[str, float]]
    measured: Mapping[tuple[str, str], Mapping[int, float]] = field(default_factory=dict)
    gflops: Mapping[str, float] = field(default_factory=dict)
    has_runs: bool = True

    def cost(self, row: str) -> float | None:
        """In the unit of the table; None if it has none."""
        if row not in self.gflops:
            return None
        if self.experiment.cost == 'GFLOPs':
            return self.gflops[row]
        return 100 * self.gflops[row] / self.gflops[self.experiment.reference]

    def values(self, row: str, column: str) -> list[float]:
        """One for each seed."""
        return list(self.measured.get((row, column), {}).values())

    def gains(self, row: str, column: str) -> list[float]:
        """What the row has over the reference, of seeds that both are done with."""
        own = self.measured.get((row, column), {})
        other = self.measured.get((self.experiment.reference, column), {})
        return [own[seed] - other[seed] for seed in own if seed in other]

    def published_gain(self, row: str, name: str) -> float | None:
        """The paper's."""
        values = [self.published.get(r, {}).get(name) for r in (row, self.experiment.reference)]
        return None if None in values else values[0] - values[1]

    def trend(self, row: str, column: Column) -> str:
        """Whether the row compares with the reference as the paper says, in one of `TREND`.

        A gain counts when it is larger than its standard deviation over the seeds.
        """
        gains = self.gains(row, column.name)
        published = [self.published_gain(row, name) for name in column.published]
        published = [gain for gain in published if gain]
        if row == self.experiment.reference or not gains or not published:
            return ''
        if len(gains) == 1:
            return TREND['single']
        mean = statistics.mean(gains)
        if abs(mean) <= statistics.stdev(gains):
            return TREND['within']
        signs = {gain > 0 for gain in published}
        if len(signs) > 1:
            return TREND['divided']
        return TREND['same' if (mean > 0) in signs else 'opposite']


def to_markdown(results: Results) -> str:
    """A line for each row: label, results of each column beside the paper's, cost."""
    rows = [_row(results, row) for row in results.experiment.rows]
    heading = [name for name, _ in rows[0]]
    return markdown_table([heading, *([cell for _, cell in row] for row in rows)])


def to_csv(results: Results) -> str:
    """A line for each row and column: the paper's value, mean, spread, difference, every seed's."""
    lines = [
        ['experiment', 'row', 'column', 'paper', 'mean', 'sd', 'difference', 'seeds', 'values']
    ]
    for row in results.experiment.rows:
        for column in results.columns:
            values = results.measured.get((row, column.name), {})
            published = results.published.get(row, {})
            paper = None if column.stands_in else published.get(column.name)
            lines.append(_csv_line(results.experiment.name, row, column.name, paper, values))
        cost = results.cost(row)
        if cost is not None:
            unit = results.experiment.cost
            paper = results.published.get(row, {}).get(unit)
            line = _csv_line(results.experiment.name, row, unit, paper, {None: cost})
            lines.append([*line[:-2], '', ''])
    return csv_text(lines)


def _row(results: Results, row: str) -> list[tuple[str, str]]:
    """Headings and cells of a row."""
    experiment, published = results.experiment, results.published.get(row, {})
    pairs = [*zip(experiment.label, experiment.rows[row], strict=True)]
    for column in results.columns:
        papers = [(f'{name}, paper', _number(published.get(name))) for name in column.published]
        if results.has_runs:
            values = results.values(row, column.name)
            pairs.append((column.name, spread(values)))
            if not column.stands_in:
                own = published.get(column.name)
                has_both = own is not None and values
                difference = f'{statistics.mean(values) - own:+.2f}' if has_both else ''
                pairs += [('paper', _number(own)), ('difference', difference)]
                papers = []
            pairs += _gains(results, row, column, papers) if experiment.reference else papers
        else:
            pairs += papers
    if experiment.cost:
        heading = {'share': 'FLOPs, %'}.get(experiment.cost, 'GFLOPs')
        pairs.append((heading, _number(results.cost(row))))
        pairs.append(('paper', _number(published.get(experiment.cost))))
    return pairs


def _gains(
    results: Results, row: str, column: Column, papers: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """What a row has over the reference, around the paper's values; nothing in its own row."""
    is_reference = row == results.experiment.reference
    gain = '' if is_reference else spread(results.gains(row, column.name), '+')
    pairs = [('gain', gain), *papers]
    for name in column.published:
        published = '' if is_reference else _number(results.published_gain(row, name), '+')
        pairs.append((f'{name}, gain in paper', published))
    return [*pairs, ('trend', results.trend(row, column))]


def _csv_line(
    experiment: str,
    row: str,
    column: str,
    paper: float | None,
    values: Mapping[int | None, float],
) -> list:
    numbers = list(values.values())
    mean = statistics.mean(numbers) if numbers else None
    return [
        experiment,
        row,
        column,
        '' if paper is None else paper,
        '' if mean is None else f'{mean:.4f}',
        f'{statistics.stdev(numbers):.4f}' if len(numbers) > 1 else '',
        '' if mean is None or paper is None else f'{mean - paper:.4f}',
        ' '.join(str(seed) for seed in values),
        ' '.join(f'{value:.4f}' for value in numbers),
    ]


def spread(values: Sequence[float], sign: str = '', digits: int = 2) -> str:
    """Mean and, of several values, standard deviation; a dash for none."""
    if not values:
        return '-'
    text = f'{statistics.mean(values):{sign}.{digits}f}'
    return text + f' ± {statistics.stdev(values):.{digits}f}' if len(values) > 1 else text


def _number(value: float | None, sign: str = '') -> str:
    return '-' if value is None else f'{value:{sign}.2f}'
