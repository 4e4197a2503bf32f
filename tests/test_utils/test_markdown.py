# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.utils.markdown import markdown_table


def test_columns_are_aligned():
    assert markdown_table([['method', 'k'], ['APP', '160'], ['', '-']]) == (
        '| method | k   |\n|--------|-----|\n| APP    | 160 |\n|        | -   |\n'
    )


def test_lines_of_different_lengths_are_errors():
    with pytest.raises(ValueError, match='argument 2'):
        markdown_table([['a', 'b'], ['c']])
