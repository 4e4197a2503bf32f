# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What baselines and adapters reached, beside what the KT-Adapter paper reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmfer.tasks import TASKS
from mmfer.utils.markdown import markdown_table

from .table import spread

#: Metrics of which less is better.
LOWER_IS_BETTER = frozenset(
    ['landmark/nme', 'landmark/mae', 'age/mae', 'verification/intra_class_variance']
)

#: Letters of the paper's tables, by what an encoder's name begins with.
_LETTERS = {'mobileone': 'M', 'convnext': 'C', 'swin': 'S'}


@dataclass(frozen=True)
class Row:
    """One metric of one task.

    Attributes:
        task: The canonical task.
        metric: Its name in the logs.
        baseline: Values, one per seed.
        adapter: Values, in the same order.
        published: The paper's values of baseline and adapter, if it has such a run.
    """

    task: str
    metric: str
    baseline: Sequence[float]
    adapter: Sequence[float]
    published: tuple[float, float] | None

    @property
    def gains(self) -> list[float]:
        """How much better the adapter is, seed by seed: positive is better, whatever the metric."""
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        return [sign * (b - a) for a, b in zip(self.baseline, self.adapter, strict=True)]

    @property
    def published_gain(self) -> float | None:
        """The paper's gain, with the same sign."""
        if self.published is None:
            return None
        before, after = self.published
        return before - after if self.metric in LOWER_IS_BETTER else after - before


def letter(encoder: str) -> str | None:
    """The letter of an encoder's family in the paper's tables; None if it has none."""
    return next((_LETTERS[start] for start in _LETTERS if encoder.startswith(start)), None)


def make_rows(
    results: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]],
    published: Mapping,
    encoder: str,
    priors: str,
    num_priors: int | None = None,
) -> list[Row]:
    """Arrange results as rows.

    Args:
        results: Task -> ``'baseline'`` and ``'adapter'`` -> metrics, one dict per seed.
        published: Contents of ``configs/kt_adapter/published.yml``.
        encoder: Canonical encoder.
        priors: Encoder of the priors.
        num_priors: How many there are, if not all; the paper's numbers, task by task, are of all.

    Returns:
        Rows in the order of the tasks and of the paper's columns.
    """
    rows = []
    for task, runs in results.items():
        table = published[task]
        before, after = letter(encoder), f'{letter(priors)} to {letter(encoder)}'
        known = before in table and after in table and num_priors in (None, len(TASKS) - 1)
        for column, metric in enumerate(published['metrics'][task]):
            rows.append(
                Row(
                    task,
                    metric,
                    [metrics[metric] for metrics in runs['baseline']],
                    [metrics[metric] for metrics in runs['adapter']],
                    (table[before][column], table[after][column]) if known else None,
                )
            )
    return rows


def to_markdown(rows: Sequence[Row]) -> str:
    """A table of :func:`make_rows`, with standard deviations where there are several seeds."""
    header = ['task', 'metric', 'baseline', 'adapter', 'gain', 'paper: baseline', 'adapter', 'gain']
    cells = [header]
    for row in rows:
        arrow = '↓' if row.metric in LOWER_IS_BETTER else '↑'
        paper = ['-'] * 3
        if row.published is not None:
            paper = [*(f'{v:g}' for v in row.published), f'{row.published_gain:+.3g}']
        cells.append(
            [
                row.task,
                f'{row.metric} {arrow}',
                _spread(row.baseline),
                _spread(row.adapter),
                _spread(row.gains, '+'),
                *paper,
            ]
        )
    return markdown_table(cells)


def _spread(values: Sequence[float], sign: str = '') -> str:
    # Three digits behind the point for small numbers, such as variances and errors in pixels.
    return spread(values, sign, digits=2 if max(map(abs, values)) >= 10 else 3)
