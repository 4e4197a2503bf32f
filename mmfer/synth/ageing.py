# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What years do to a face."""

from dataclasses import dataclass

import numpy as np


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


@dataclass(frozen=True)
class Ageing:
    """Marks of age, all 0 to 1.

    Args:
        child (float): 1 for a baby, 0 from 18 years on; proportions follow it.
        wrinkles (float): Depth of lines; none until the late twenties.
        sagging (float): Jowls, drooping brows and lids, thin lips.
        grey (float): Share of white in the hair.
        recession (float): How far the hairline has gone back.
        grown (float): 1 from 20 years on; beards and heavy brows follow it.
    """

    child: float
    wrinkles: float
    sagging: float
    grey: float
    recession: float
    grown: float


def make_ageing(age: int, masculine: float, rng: np.random.Generator) -> Ageing:
    """Derive the marks of ``age``; people of one age differ by a few years in looks."""
    looks = age + 0.06 * age * min(max(rng.standard_normal(), -2.0), 2.0)
    return Ageing(
        child=1 - _ramp(looks, 1, 18) ** 0.8,
        wrinkles=_ramp(looks, 26, 100),
        sagging=_ramp(looks, 38, 112),
        grey=_ramp(looks + rng.uniform(-8, 8), 36, 72),
        recession=_ramp(looks, 25, 100) * (0.25 + 0.75 * masculine),
        grown=_ramp(looks, 12, 20),
    )
