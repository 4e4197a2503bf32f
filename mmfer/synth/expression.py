# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Expressions as strengths of muscle actions, in the spirit of the Facial Action Coding System."""

from dataclasses import dataclass, fields

import numpy as np

from mmfer.categories import EXPRESSIONS


@dataclass(frozen=True)
class Actions:
    """Muscle actions of one side of the face, 0 (at rest) to about 1 (as strong as can be).

    The numbers in the comments are those of the action units they stand for.
    """

    inner_brow_raise: float = 0.0  # 1
    outer_brow_raise: float = 0.0  # 2
    brow_lower: float = 0.0  # 4
    upper_lid_raise: float = 0.0  # 5
    cheek_raise: float = 0.0  # 6
    lid_tighten: float = 0.0  # 7
    nose_wrinkle: float = 0.0  # 9
    upper_lip_raise: float = 0.0  # 10
    corner_pull: float = 0.0  # 12
    corner_depress: float = 0.0  # 15
    chin_raise: float = 0.0  # 17
    lip_stretch: float = 0.0  # 20
    lip_press: float = 0.0  # 24
    lips_part: float = 0.0  # 25
    jaw_drop: float = 0.0  # 26
    lid_droop: float = 0.0  # 43
    gaze_down: float = 0.0  # 64


NAMES = tuple(field.name for field in fields(Actions))
NUM_ACTIONS = len(NAMES)

# An expression has several faces: the mouth of anger is pressed shut or shows its teeth, a smile
# is closed or open. One of them is drawn for a picture.
_PROTOTYPES = {
    'Anger': (
        dict(brow_lower=1, upper_lid_raise=0.45, lid_tighten=0.7, lip_press=1, chin_raise=0.35),
        dict(brow_lower=1, upper_lid_raise=0.5, lid_tighten=0.6, lips_part=0.8, lip_stretch=0.3,
             upper_lip_raise=0.45, jaw_drop=0.25, nose_wrinkle=0.25),
    ),
    'Disgust': (
        dict(nose_wrinkle=1, upper_lip_raise=0.9, brow_lower=0.4, cheek_raise=0.4,
             lid_tighten=0.5, corner_depress=0.5, chin_raise=0.45),
        dict(nose_wrinkle=1, upper_lip_raise=1, brow_lower=0.35, lid_tighten=0.6, cheek_raise=0.3,
             corner_depress=0.35, lips_part=0.6, jaw_drop=0.15),
    ),
    'Fear': (
        dict(inner_brow_raise=1, outer_brow_raise=0.35, brow_lower=0.35, upper_lid_raise=1,
             lip_stretch=1, lips_part=0.6, corner_depress=0.2),
        dict(inner_brow_raise=0.9, outer_brow_raise=0.5, brow_lower=0.3, upper_lid_raise=0.9,
             lip_stretch=0.8, lips_part=0.7, jaw_drop=0.45),
    ),
    'Sadness': (
        dict(inner_brow_raise=0.95, brow_lower=0.25, corner_depress=1, chin_raise=0.5,
             lid_droop=0.35, gaze_down=0.4),
        dict(inner_brow_raise=0.8, brow_lower=0.35, corner_depress=0.8, lid_droop=0.5,
             gaze_down=0.8, lip_press=0.2),
    ),
    'Happiness': (
        dict(cheek_raise=0.8, corner_pull=1, lips_part=0.8),
        dict(cheek_raise=0.6, corner_pull=0.95),
        dict(cheek_raise=0.9, corner_pull=1, lips_part=0.8, jaw_drop=0.4),
    ),
    'Surprise': (
        dict(inner_brow_raise=0.95, outer_brow_raise=1, upper_lid_raise=0.7, lips_part=0.5,
             jaw_drop=1),
        dict(inner_brow_raise=0.9, outer_brow_raise=0.9, upper_lid_raise=0.5, lips_part=0.6,
             jaw_drop=0.6),
    ),
    'Neutral': (dict(),),
}  # fmt: skip

_TABLE = tuple(
    tuple(np.array([variant.get(name, 0.0) for name in NAMES]) for variant in _PROTOTYPES[name_])
    for name_ in EXPRESSIONS
)


def sample_actions(
    expression: int,
    habits: np.ndarray,
    resting: np.ndarray,
    variation: float,
    rng: np.random.Generator,
) -> tuple[Actions, Actions]:
    """Draw the muscle actions of one picture.

    Args:
        expression (int): Index in ``EXPRESSIONS``.
        habits (np.ndarray): The person's gain of every action, shape (NUM_ACTIONS,).
        resting (np.ndarray): The person's actions at rest, shape (NUM_ACTIONS,).
        variation (float): 0 gives the full, even prototype; see ``Difficulty``.
        rng (np.random.Generator): Source of intensity, variant, asymmetry and stray actions.

    Returns:
        tuple[Actions, Actions]: Viewer's left side and right side.
    """
    variants = _TABLE[expression]
    intensity = 1 - variation * (1 - (0.4 + 0.6 * rng.beta(2.2, 1.3)))
    prototype = variants[rng.integers(len(variants))]
    gain = 1 + variation * (habits * rng.uniform(0.65, 1.25, NUM_ACTIONS) - 1)
    stray = resting + rng.normal(0, 0.07, NUM_ACTIONS)
    # Now and then one muscle tells of something else: talking, a glance, a blend of feelings.
    stray[rng.integers(NUM_ACTIONS)] += rng.exponential(0.16)
    strength = prototype * intensity * gain + variation * stray
    uneven = variation * rng.normal(0, 0.12, NUM_ACTIONS)
    left, right = (np.clip(strength * (1 + side * uneven), 0, 1.25) for side in (-1, 1))
    return Actions(*left.tolist()), Actions(*right.tolist())
