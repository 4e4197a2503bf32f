# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Action units as an annotator would read them off the muscle actions that are drawn."""

from collections.abc import Sequence

import numpy as np

from .expression import Actions

#: The muscle action that stands for a unit. AU23 (lips tightened) and others are not drawn.
ACTION_OF_UNIT = {
    'AU1': 'inner_brow_raise',
    'AU2': 'outer_brow_raise',
    'AU4': 'brow_lower',
    'AU5': 'upper_lid_raise',
    'AU6': 'cheek_raise',
    'AU7': 'lid_tighten',
    'AU9': 'nose_wrinkle',
    'AU10': 'upper_lip_raise',
    'AU12': 'corner_pull',
    'AU15': 'corner_depress',
    'AU17': 'chin_raise',
    'AU20': 'lip_stretch',
    'AU24': 'lip_press',
    'AU25': 'lips_part',
    'AU26': 'jaw_drop',
}


def active_units(
    left: Actions, right: Actions, units: Sequence[str], threshold: float = 0.3
) -> np.ndarray:
    """Which action units a face shows.

    Args:
        left (Actions): Muscle actions of the viewer's left side.
        right (Actions): Those of the right side; a unit may be active on one side only.
        units (Sequence[str]): Names of the units.
        threshold (float): Strength from which on a unit counts as active. Weaker ones are hard to
            see. Defaults to 0.3.

    Returns:
        np.ndarray: (len(units),) int8, 1 active, 0 not, -1 for a unit that is not drawn.
    """
    labels = np.full(len(units), -1, np.int8)
    for index, unit in enumerate(units):
        action = ACTION_OF_UNIT.get(unit)
        if action is not None:
            labels[index] = max(getattr(left, action), getattr(right, action)) >= threshold
    return labels
