# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Tables of measured and published results."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmfer.utils.csv_text import csv_text
from mmfer.utils.markdown import markdown_table

from .index import ACCURACY, Experiment
from .metrics import digits, sign

#: Values of the column that compares a gain with the published one.
TREND = {
    'same': 'as published',
    'opposite': 'opposite',
    'within': 'within the spread',
    'single': 'one seed',
    'divided': 'paper divided',
}


#: Mark of misprinted values.
MISPRINT = '†'


@dataclass(frozen=True)
class Column:
    """A column of results.

    Attributes:
        name (str): Name of the column, as in the paper or of the stand-in.
        published (tuple[str, ...]): Names of the paper's columns that are shown next to it: its
            own, or those of all databases that it stands in for; () if the paper's are not
            comparable.
        stands_in (bool): Whether it is measured on data other than the paper's, so that only gains
            can be compared. Defaults to False.
        database (str): Database of the column.
        metric (str): Metric of the column. Defaults to accuracy.
    """

    name: str
    published: tuple[str, ...]
    stands_in: bool = False
    database: str = ''
    metric: str = ACCURACY


@dataclass(frozen=True)
class Results:
    """All numbers of a table.

    Attributes:
        experiment (Experiment): The experiment.
        columns (Sequence[Column]): Measured columns.
        published (Mapping[str, Mapping[str, float]]): Row -> column, ``'share'`` or ``'GFLOPs'`` ->
            the paper's value.
        measured (Mapping[tuple[str, str], Mapping[int, float]]): (row, column) -> finished seed ->
            value.
        gflops (Mapping[str, float]): Row -> cost of the paper's model.
        has_runs (bool): False if only costs are computed.
        misprints (frozenset[tuple[str, str]]): (row, column) of misprints in the paper.
        otherwise (Sequence[str]): Folders of runs with other settings than the current ones.
    """

    experiment: Experiment
    columns: Sequence[Column]
    published: Mapping[str, Mapping[str, float]]
    measured: Mapping[tuple[str, str], Mapping[int, float]] = field(default_factory=dict)
    gflops: Mapping[str, float] = field(default_factory=dict)
    has_runs: bool = True
    misprints: frozenset[tuple[str, str]] = frozenset()
    otherwise: Sequence[str] = ()

    def cost(self, row: str) -> float | None:
        """Return the cost of a row in the unit of the table; None if the row has none."""
        if row not in self.gflops:
            return None
        if self.experiment.cost == 'GFLOPs':
            return self.gflops[row]
        return 100 * self.gflops[row] / self.gflops[self.experiment.reference]

    def by_seed(self, row: str, column: Column) -> Mapping[int, float]:
        """Return seed -> value. For a row that is the best of others: the row with the best mean.

        Such a row has no values until all the others have one.
        """
        parts = self.experiment.best_of.get(row, (row,))
        found = [self.measured.get((part, column.name), {}) for part in parts]
        if not all(found):
            return {}
        return max(found, key=lambda values: sign(column.metric) * statistics.mean(values.values()))

    def values(self, row: str, column: Column) -> list[float]:
        """Return the values of all finished seeds."""
        return list(self.by_seed(row, column).values())

    def gains(self, row: str, column: Column) -> list[float]:
        """Return the gains of a row over its reference, for seeds that both have finished."""
        reference = self.experiment.reference_of(row)
        if reference is None:
            return []
        own, other = self.by_seed(row, column), self.by_seed(reference, column)
        return [sign(column.metric) * (own[seed] - other[seed]) for seed in own if seed in other]

    def published_gain(self, row: str, name: str, metric: str = ACCURACY) -> float | None:
        """Return the paper's gain, with the same sign; None if a value is missing."""
        rows = (row, self.experiment.reference_of(row))
        values = [self.published.get(r, {}).get(name) for r in rows]
        return None if None in values else sign(metric) * (values[0] - values[1])

    def trend(self, row: str, column: Column) -> str:
        """Compare the sign of a row's gain with the paper's; return a value of :data:`TREND`.

        A gain must be larger than its standard deviation over the seeds.
        """
        gains = self.gains(row, column)
        published = [self.published_gain(row, name, column.metric) for name in column.published]
        published = [gain for gain in published if gain]
        if not gains or not published:
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
    """Return a table with a line per row: label, measured and published results, cost.

    If ``experiment.separate`` is set, each column becomes a separate table.
    """
    if not results.experiment.separate:
        return _table(results, results.columns)
    tables = []
    for column in results.columns:
        less = ', lower is better' if sign(column.metric) < 0 else ''
        papers = [name for name in column.published if name != column.name]
        compared = f'; the paper: {", ".join(papers)}' if papers else ''
        heading = f'**{column.name}** ({column.metric}{less}{compared})'
        tables.append(f'{heading}\n\n{_table(results, [column])}')
    return '\n'.join(tables)


def _table(results: Results, columns: Sequence[Column]) -> str:
    rows = [_row(results, row, columns) for row in results.experiment.rows]
    heading = [name for name, _ in rows[0]]
    return markdown_table([heading, *([cell for _, cell in row] for row in rows)])


def to_csv(results: Results) -> str:
    """Return CSV with a line per row and column: paper, mean, spread, difference, all seeds."""
    lines = [
        ['experiment', 'row', 'column', 'paper', 'mean', 'sd', 'difference', 'seeds', 'values']
    ]
    for row in results.experiment.rows:
        for column in results.columns:
            values = results.by_seed(row, column)
            compares = column.published and not column.stands_in
            paper = results.published.get(row, {}).get(column.name) if compares else None
            lines.append(_csv_line(results.experiment.name, row, column.name, paper, values))
        cost = results.cost(row)
        if cost is not None:
            unit = results.experiment.cost
            paper = results.published.get(row, {}).get(unit)
            line = _csv_line(results.experiment.name, row, unit, paper, {None: cost})
            lines.append([*line[:-2], '', ''])
    return csv_text(lines)


def _row(results: Results, row: str, columns: Sequence[Column]) -> list[tuple[str, str]]:
    """Return pairs of heading and cell of a row."""
    experiment, published = results.experiment, results.published.get(row, {})
    mark = MISPRINT if (row, '') in results.misprints else ''
    *first, last = experiment.rows[row]
    pairs = [*zip(experiment.label, [*first, last + mark], strict=True)]
    for column in columns:
        papers = []
        for name in column.published:
            mark = MISPRINT if (row, name) in results.misprints else ''
            papers.append((f'{name}, paper', _number(published.get(name), column) + mark))
        if results.has_runs:
            values = results.values(row, column)
            name = 'measured' if experiment.separate else column.name
            pairs.append((name, spread(values, digits=digits(column.metric))))
            if papers and not column.stands_in:
                own = published.get(column.name)
                has_both = own is not None and values
                difference = statistics.mean(values) - own if has_both else None
                pairs.append(('paper', papers[0][1]))
                pairs.append(('difference', _number(difference, column, '+', '')))
                papers = []
            pairs += _gains(results, row, column, papers) if experiment.reference else papers
        else:
            pairs += papers
    if experiment.cost:
        heading = {'share': 'FLOPs, %'}.get(experiment.cost, 'GFLOPs')
        pairs.append((heading, _number(results.cost(row))))
        if any(experiment.cost in values for values in results.published.values()):
            pairs.append(('paper', _number(published.get(experiment.cost))))
    return pairs


def _gains(
    results: Results, row: str, column: Column, papers: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return cells for gains over the reference and for the paper's values.

    Cells for gains are empty in a reference row.
    """
    has_reference = results.experiment.reference_of(row) is not None
    gain = spread(results.gains(row, column), '+', digits(column.metric))
    pairs = [('gain', gain if has_reference else ''), *papers]
    for name in column.published:
        published = _number(results.published_gain(row, name, column.metric), column, '+')
        heading = 'gain in paper' if results.experiment.separate else f'{name}, gain in paper'
        pairs.append((heading, published if has_reference else ''))
    return [*pairs, ('trend', results.trend(row, column))] if column.published else pairs


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
    """Format the mean and, for several values, the standard deviation; a dash for no values."""
    if not values:
        return '-'
    text = f'{statistics.mean(values):{sign}.{digits}f}'
    return text + f' ± {statistics.stdev(values):.{digits}f}' if len(values) > 1 else text


def _number(
    value: float | None, column: Column | None = None, sign: str = '', none: str = '-'
) -> str:
    places = digits(column.metric if column else ACCURACY)
    return none if value is None else f'{value:{sign}.{places}f}'
