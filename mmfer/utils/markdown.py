# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns, so that it is also readable as plain text.

    Args:
        lines (Sequence[Sequence[str]]): The cells of each line, first the header; all lines have
            the same length.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        '| ' + ' | '.join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + ' |'
        for line in lines
    ]
    text.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return '\n'.join(text) + '\n'
