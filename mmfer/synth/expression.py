# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Expressions as strengths of muscle actions, based on the Facial Action Coding System."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields

import numpy as np

from mmfer.categories import EXPRESSIONS


def _action(unit: str | None, valence: float, arousal: float) -> float:
    """Define an action at rest, its action unit, and its contribution at strength 1."""
    return field(default=0.0, metadata=dict(unit=unit, affect=(valence, arousal)))


@dataclass(frozen=True)
class Actions:
    """Muscle actions of one side of the face, 0 (at rest) to about 1 (maximum).

    Each action contributes to valence and arousal. The contributions are set so that expressions at
    full strength are at their places in Russell's circumplex (1980): Happiness at (0.8, 0.4),
    Surprise (0.1, 0.9), Fear (-0.6, 0.8), Anger (-0.5, 0.6), Disgust (-0.7, 0.2), Sadness (-0.8,
    -0.4), Neutral (0, 0).
    """

    inner_brow_raise: float = _action('AU1', -0.2, 0.1)
    outer_brow_raise: float = _action('AU2', 0.3, 0.4)
    brow_lower: float = _action('AU4', -0.3, 0.2)
    upper_lid_raise: float = _action('AU5', 0.0, 0.4)
    cheek_raise: float = _action('AU6', 0.2, 0.1)
    lid_tighten: float = _action('AU7', -0.1, 0.2)
    nose_wrinkle: float = _action('AU9', -0.2, 0.1)
    upper_lip_raise: float = _action('AU10', -0.2, 0.1)
    corner_pull: float = _action('AU12', 0.6, 0.2)
    corner_depress: float = _action('AU15', -0.4, -0.4)
    chin_raise: float = _action('AU17', -0.1, 0.0)
    lip_stretch: float = _action('AU20', -0.3, 0.1)
    lip_press: float = _action('AU24', -0.1, 0.1)
    lips_part: float = _action('AU25', 0.0, 0.1)
    jaw_drop: float = _action('AU26', 0.0, 0.1)
    # Weak AU43 and AU64; an annotator labels these only for closed or lowered eyes.
    lid_droop: float = _action(None, -0.2, -0.2)
    gaze_down: float = _action(None, -0.1, -0.2)


_NAMES = tuple(action.name for action in fields(Actions))
_ACTION_OF_UNIT = {
    action.metadata['unit']: action.name for action in fields(Actions) if action.metadata['unit']
}
_AFFECT = np.array([action.metadata['affect'] for action in fields(Actions)])  # (NUM_ACTIONS, 2)
NUM_ACTIONS = len(_NAMES)

# An expression has several variants: an angry mouth is pressed shut or shows teeth, a smile is
# closed or open. An image shows one of them.
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
    tuple(np.array([variant.get(name, 0.0) for name in _NAMES]) for variant in _PROTOTYPES[label])
    for label in EXPRESSIONS
)


def sample_actions(
    expression: int,
    habits: np.ndarray,
    resting: np.ndarray,
    variation: float,
    rng: np.random.Generator,
) -> tuple[Actions, Actions]:
    """Sample the muscle actions of one image.

    Args:
        expression (int): Index in ``EXPRESSIONS``.
        habits (np.ndarray): The person's gain of every action, shape (NUM_ACTIONS,).
        resting (np.ndarray): The person's actions at rest, shape (NUM_ACTIONS,).
        variation (float): 0 is the full, symmetric prototype; see ``Difficulty``.
        rng (np.random.Generator): Generator for intensity, variant, asymmetry and random actions.

    Returns:
        tuple[Actions, Actions]: Viewer's left side and right side.
    """
    variants = _TABLE[expression]
    intensity = 1 - variation * (1 - (0.4 + 0.6 * rng.beta(2.2, 1.3)))
    prototype = variants[rng.integers(len(variants))]
    gain = 1 + variation * (habits * rng.uniform(0.65, 1.25, NUM_ACTIONS) - 1)
    stray = resting + rng.normal(0, 0.07, NUM_ACTIONS)
    # Sometimes one muscle shows something else: talking, a glance, a mixed emotion.
    stray[rng.integers(NUM_ACTIONS)] += rng.exponential(0.16)
    strength = prototype * intensity * gain + variation * stray
    uneven = variation * rng.normal(0, 0.12, NUM_ACTIONS)
    left, right = (np.clip(strength * (1 + side * uneven), 0, 1.25) for side in (-1, 1))
    return Actions(*left.tolist()), Actions(*right.tolist())


def active_units(
    left: Actions, right: Actions, units: Sequence[str], threshold: float = 0.3
) -> np.ndarray:
    """Return which action units a face shows, as an annotator would label it.

    Args:
        left (Actions): Muscle actions of the viewer's left side.
        right (Actions): Those of the right side; a unit may be active on one side only.
        units (Sequence[str]): Names of the units.
        threshold (float): Minimum strength of an active unit. Weaker ones are hard to see. Defaults
            to 0.3.

    Returns:
        np.ndarray: (len(units),) int8, 1 active, 0 not, -1 for a unit that is not drawn, such as
        AU23 (lips tightened).
    """
    labels = np.full(len(units), -1, np.int8)
    for index, unit in enumerate(units):
        action = _ACTION_OF_UNIT.get(unit)
        if action is not None:
            labels[index] = max(getattr(left, action), getattr(right, action)) >= threshold
    return labels


def valence_and_arousal(left: Actions, right: Actions) -> np.ndarray:
    """Return how pleasant and how excited a face looks, as an annotator would label it.

    This is the sum over all actions of their strength, averaged over both sides, times their
    contribution (:class:`Actions`), clipped to [-1, 1]. So a weak smile is less pleasant than a
    broad one, and random actions count, too.

    Args:
        left (Actions): Muscle actions of the viewer's left side.
        right (Actions): Those of the right side.

    Returns:
        np.ndarray: (2,) float32, valence and arousal in [-1, 1].
    """
    strength = (np.array(astuple(left)) + np.array(astuple(right))) / 2
    # Not a matrix product, because its rounding depends on the library.
    return np.clip((strength[:, None] * _AFFECT).sum(axis=0), -1, 1).astype(np.float32)
