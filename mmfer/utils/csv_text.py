# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Tables as CSV that spreadsheets show and do not run."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

# What a spreadsheet takes for a formula; some take white space off first. Apostrophes before it are
# counted, so that each text has a cell of its own.
_FORMULA = re.compile(r"'*([\t\r\n]|[\s\0\ufeff\u200b]*[=+\-@＝＋－＠]).", re.DOTALL)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV. Names of files and classes may come from anywhere: a text that a spreadsheet
    would run as a formula gets an apostrophe in front, which :func:`plain_cell` takes away again.
    Numbers stay numbers, negative ones too.
    """
    return ''.join(map(_line, rows))


def plain_cell(cell: str) -> str:
    """The text that :func:`csv_text` made a cell of."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def _line(row: Iterable[Any]) -> str:
    # A writer puts only those line breaks into quotes that end its own lines; both kinds would
    # begin a row, and so a cell.
    text, row = io.StringIO(), [_cell(value) for value in row]
    # In some countries spreadsheets take semicolons for the commas.
    others = any(isinstance(value, str) and (';' in value or '\t' in value) for value in row)
    quoting = csv.QUOTE_ALL if others else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator='\r\n', quoting=quoting).writerow(row)
    return text.getvalue().removesuffix('\r\n') + '\n'


def _cell(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
