# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Direction and number of decimals of metrics."""

#: Metrics for which a lower value is better -> number of decimals in tables.
LESS_IS_BETTER = {
    'landmark/nme': 3,
    'landmark/mae': 3,
    'age/mae': 3,
    'verification/intra_class_variance': 4,
}


def sign(metric: str) -> int:
    """Return 1 if higher is better, -1 if lower is better."""
    return -1 if metric in LESS_IS_BETTER else 1


def digits(metric: str) -> int:
    """Return the number of decimals in tables; 2 for percentages."""
    return LESS_IS_BETTER.get(metric, 2)
