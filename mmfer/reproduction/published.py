# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Published values of a paper, and its misprints."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .index import Experiment
from .table import MISPRINT


@dataclass(frozen=True)
class Misprint:
    """A misprint in a paper.

    Attributes:
        table (str): Name of the experiment.
        row (str): Row of the misprint.
        reason (str): How we know that it is a misprint.
        column (str): Column of the misprint; empty for the first cells of the row.
        printed (str | float): The printed value.
        meant (str | float, optional): The correct value, which tables show. None if it is unknown;
            tables then show the printed value.
    """

    table: str
    row: str
    reason: str
    column: str = ''
    printed: str | float = ''
    meant: str | float | None = None


@dataclass(frozen=True)
class Published:
    """The values of a paper.

    Attributes:
        tables (Mapping[str, Mapping[str, Mapping[str, float]]]): Experiment -> row -> column ->
            value.
        misprints (Sequence[Misprint]): The paper's mistakes.
    """

    tables: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    misprints: Sequence[Misprint] = ()

    @classmethod
    def from_file(cls, path: Path) -> 'Published':
        """Read a file such as ``configs/apvit/published.yml``.

        A table with ``columns`` has a list of values for each row.
        """
        tables = yaml.safe_load(path.read_text(encoding='utf-8'))
        misprints = [Misprint(**entry) for entry in tables.pop('misprints', ())]
        for name, rows in tables.items():
            if columns := rows.pop('columns', None):
                tables[name] = {
                    row: dict(zip(columns, values, strict=True)) for row, values in rows.items()
                }
        return cls(tables, misprints)

    def rows(self, experiment: Experiment) -> Mapping[str, Mapping[str, float]]:
        """Row -> column -> value, for an experiment."""
        return self.tables.get(experiment.published or experiment.name, {})

    def marks(self, experiment: Experiment, shown: Collection[str]) -> frozenset[tuple[str, str]]:
        """Return (row, column) of the misprints of an experiment in the columns ``shown``."""
        return frozenset((it.row, it.column) for it in self._of(experiment, shown))

    def footnotes(self, experiment: Experiment, shown: Collection[str]) -> list[str]:
        """Return a sentence for each misprint of an experiment in the columns ``shown``."""
        notes = []
        for it in self._of(experiment, shown):
            where = ', '.join(filter(None, (*experiment.rows[it.row], it.column)))
            meant = '' if it.meant is None else f', {it.meant} meant'
            notes.append(f'{MISPRINT} {where}: {it.printed} printed{meant}: {it.reason}.')
        return notes

    def _of(self, experiment: Experiment, shown: Collection[str]) -> list[Misprint]:
        table = experiment.published or experiment.name
        of_table = [it for it in self.misprints if it.table == table and it.row in experiment.rows]
        return [it for it in of_table if (it.column in shown if it.column else shown)]
