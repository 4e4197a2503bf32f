# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write tables as CSV that spreadsheets show but never run as formulas."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

# Text that a spreadsheet takes for a formula; some strip white space first. Leading apostrophes are
# included, so that the escape can be undone.
_FORMULA = re.compile(r"'*([\t\r\n]|[\s\0\ufeff\u200b]*[=+\-@＝＋－＠]).", re.DOTALL)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV.

    Names of files and classes may come from anywhere. A text that a spreadsheet would run as a
    formula gets an apostrophe in front, which :func:`plain_cell` removes. Numbers stay numbers,
    including negative ones.
    """
    return ''.join(map(_line, rows))


def plain_cell(cell: str) -> str:
    """Return the original text of a cell that :func:`csv_text` wrote."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def _line(row: Iterable[Any]) -> str:
    # csv.writer quotes only the line breaks of its own line terminator, but both \r and \n would
    # start a new row.
    text, row = io.StringIO(), [_cell(value) for value in row]
    # In some countries spreadsheets separate cells by semicolons.
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
