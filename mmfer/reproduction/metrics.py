# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How figures are read and written, by the names of the metrics."""

#: Metrics of which less is better -> digits behind the point that tables show of them.
LESS_IS_BETTER = {
    'landmark/nme': 3,
    'landmark/mae': 3,
    'age/mae': 3,
    'verification/intra_class_variance': 4,
}


def sign(metric: str) -> int:
    """1 where more is better, -1 where less is."""
    return -1 if metric in LESS_IS_BETTER else 1


def digits(metric: str) -> int:
    """Behind the point, in tables; percentages have two."""
    return LESS_IS_BETTER.get(metric, 2)
