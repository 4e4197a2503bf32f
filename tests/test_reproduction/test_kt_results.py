# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.reproduction.kt_results import Row, letter, make_rows, to_markdown

PUBLISHED = {
    'metrics': {'age': ['age/cs@5', 'age/mae'], 'landmarks': ['landmark/nme']},
    'age': {'M': [66.79, 4.568], 'C to M': [66.85, 4.549]},
    'landmarks': {'M': [5.016], 'M to M': [4.984]},
}
RESULTS = {
    'age': {
        'baseline': [{'age/cs@5': 50.0, 'age/mae': 8.0}, {'age/cs@5': 54.0, 'age/mae': 7.0}],
        'adapter': [{'age/cs@5': 53.0, 'age/mae': 7.5}, {'age/cs@5': 53.0, 'age/mae': 5.5}],
    }
}


def rows_of(encoder='mobileone-s0', priors='convnext-v2-base', **kwargs):
    return make_rows(RESULTS, PUBLISHED, encoder, priors, **kwargs)


@pytest.mark.parametrize(
    ('metric', 'gains'),
    [('age/mae', [0.5, 1.5]), ('landmark/nme', [0.5, 1.5]), ('accuracy/top1', [-0.5, -1.5])],
)
def test_a_gain_is_what_is_better(metric, gains):
    row = Row('age', metric, [8.0, 7.0], [7.5, 5.5], (4.5, 4.25))
    assert row.gains == gains
    assert row.published_gain == (0.25 if gains[0] > 0 else -0.25)
    assert Row('age', metric, [], [], None).published_gain is None


@pytest.mark.parametrize(
    ('encoder', 'expected'),
    [
        ('mobileone-s0', 'M'),
        ('mobileone-micro', 'M'),
        ('convnext-v2-base', 'C'),
        ('swin-base', 'S'),
        ('apvit', None),
    ],
)
def test_letters(encoder, expected):
    assert letter(encoder) == expected


def test_rows_are_in_the_order_of_the_papers_columns():
    share, error = rows_of()
    assert (share.task, share.metric, error.metric) == ('age', 'age/cs@5', 'age/mae')
    assert share.baseline == [50.0, 54.0] and share.adapter == [53.0, 53.0]
    assert share.published == (66.79, 66.85) and error.published == (4.568, 4.549)


@pytest.mark.parametrize(
    'kwargs', [dict(priors='swin-base'), dict(encoder='apvit'), dict(num_priors=2)]
)
def test_runs_that_the_paper_does_not_have(kwargs):
    assert all(row.published is None for row in rows_of(**kwargs))
    assert '| -  ' in to_markdown(rows_of(**kwargs))


def test_table_by_hand():
    header, line, share, error = to_markdown(rows_of(num_priors=3)).splitlines()
    assert set(line) == {'|', '-'} and len({len(x) for x in (header, line, share, error)}) == 1
    cells = [cell.strip() for cell in share.strip('|').split('|')]
    # sd of (50, 54) is sqrt(8) = 2.83; the gains are 3 and -1.
    assert cells == [
        *('age', 'age/cs@5 ↑', '52.00 ± 2.83', '53.00 ± 0.00', '+1.000 ± 2.828'),
        *('66.79', '66.85', '+0.06'),
    ]
    cells = [cell.strip() for cell in error.strip('|').split('|')]
    # sd of (8, 7) is sqrt(1/2), that of (7.5, 5.5) and of the gains 0.5 and 1.5 likewise.
    assert cells == [
        *('age', 'age/mae ↓', '7.500 ± 0.707', '6.500 ± 1.414', '+1.000 ± 0.707'),
        *('4.568', '4.549', '+0.019'),
    ]


def test_one_seed_has_no_spread():
    table = to_markdown([Row('landmarks', 'landmark/nme', [12.25], [11.0], None)])
    assert '| 12.25    | 11.00   | +1.250 |' in table and '±' not in table
