# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A person, with the constant properties of the face, and the effects of age."""

from dataclasses import dataclass, field, fields
from functools import lru_cache

import numpy as np

from .drawing import mix
from .expression import NUM_ACTIONS
from .labels import Stream, stream

HAIR_STYLES = ('shaven', 'short', 'parted', 'fringe', 'long', 'wavy', 'curly', 'bun')
BEARDS = ('none', 'stubble', 'moustache', 'goatee', 'full')

# From light to dark; people differ along the scale and, by undertone, across it.
_SKIN = np.array([(205, 220, 246), (168, 192, 232), (122, 160, 212), (84, 122, 178), (52, 78, 122)])
_HAIR = np.array(
    [(28, 26, 30), (34, 44, 62), (40, 66, 104), (70, 112, 160), (130, 186, 222), (44, 84, 170)]
)
_IRIS = np.array([(26, 44, 72), (40, 80, 120), (150, 120, 70), (90, 120, 70), (130, 130, 110)])
_CLOTHES = np.array(
    [(90, 50, 40), (60, 60, 170), (70, 120, 60), (190, 170, 160), (50, 50, 55), (60, 150, 210)]
)


def _varies(spread: float, mean: float = 1.0, masculine: float = 0.0) -> float:
    """Define a normally distributed number; masculine faces add ``masculine`` to its mean."""
    return field(metadata=dict(spread=spread, mean=mean, masculine=masculine))


@dataclass(frozen=True)
class Identity:
    """Numbers that describe a person. Lengths are factors relative to the average face."""

    masculine: float  #: 0 to 1; heavier brows and jaw, and a beard above 0.5.
    face_width: float = _varies(0.045, 0.98, 0.03)
    jaw_square: float = _varies(0.22, 2.15, 0.35)
    jaw_taper: float = _varies(0.05, 0.13, -0.06)
    chin: float = _varies(0.05)
    forehead: float = _varies(0.08)
    eye_size: float = _varies(0.08)
    eye_open: float = _varies(0.14, 1.05, -0.12)
    eye_spacing: float = _varies(0.045)
    eye_tilt: float = _varies(0.016, 0.012)
    brow_thickness: float = _varies(0.22, 0.72, 0.6)
    brow_height: float = _varies(0.1, 1.06, -0.12)
    brow_arch: float = _varies(0.3)
    nose_length: float = _varies(0.07)
    nose_width: float = _varies(0.13)
    mouth_width: float = _varies(0.08)
    upper_lip: float = _varies(0.25, 1.05, -0.15)
    lower_lip: float = _varies(0.2, 1.05, -0.1)
    ear: float = _varies(0.15)
    skin: np.ndarray  #: Color, BGR, 0 to 255.
    hair: np.ndarray
    iris: np.ndarray
    clothes: np.ndarray
    hair_style: str  #: One of ``HAIR_STYLES``.
    beard: str  #: One of ``BEARDS``.
    freckles: float  #: 0 (none) to 1.
    mole: np.ndarray | None  #: Position in face units.
    glasses: bool
    habits: np.ndarray  #: Gain of every muscle action, around 1.
    resting: np.ndarray  #: Muscle actions of the face at rest, around 0.


@lru_cache(maxsize=4096)  # a person appears many times; the key determines the result
def make_identity(seed: int, number: int) -> Identity:
    """Generate person ``number`` of the dataset with this seed."""
    rng = stream(Stream.IDENTITY, seed, number)
    masculine = float(rng.beta(0.6, 0.6))
    tone = rng.uniform(0, len(_SKIN) - 1.001)
    skin = mix(_SKIN[int(tone)], _SKIN[int(tone) + 1], tone % 1)
    # Undertone: from rosy to olive, at the same lightness.
    skin = skin + rng.normal(0, 6) * np.array([-1.0, -0.1, 0.6])
    # Fair hair with dark skin exists but is rare: dark skin uses the first half of the palette.
    shades = len(_HAIR) if tone < 2 else 3
    hair = _HAIR[rng.integers(shades)] * rng.uniform(0.8, 1.2)
    first, last = (0, 4) if masculine > 0.6 else (1, len(HAIR_STYLES))
    style = HAIR_STYLES[rng.integers(first, last)]
    if masculine > 0.6 and rng.random() < 0.25:
        style = 'curly'
    beard = BEARDS[rng.integers(len(BEARDS))] if masculine > 0.5 else 'none'
    mole = None
    if rng.random() < 0.25:
        mole = np.array([rng.choice((-1, 1)) * rng.uniform(0.3, 0.55), rng.uniform(0.4, 0.95)])
    shape = {}
    for part in fields(Identity):
        if part.metadata:
            mean = part.metadata['mean'] + part.metadata['masculine'] * masculine
            step = np.clip(rng.standard_normal(), -2, 2)
            shape[part.name] = float(mean + part.metadata['spread'] * step)
    return Identity(
        masculine=masculine,
        **shape,
        skin=np.clip(skin, 20, 250),
        hair=np.clip(hair, 12, 240),
        iris=np.clip(
            _IRIS[rng.integers(len(_IRIS)) if tone < 2 else 0] * rng.uniform(0.7, 1.2), 10, 200
        ),
        clothes=np.clip(_CLOTHES[rng.integers(len(_CLOTHES))] * rng.uniform(0.6, 1.3, 3), 15, 240),
        hair_style=style,
        beard=beard,
        freckles=float(rng.uniform(0.4, 1)) if tone < 1.5 and rng.random() < 0.3 else 0.0,
        mole=mole,
        glasses=bool(rng.random() < 0.14),
        habits=rng.uniform(0.7, 1.3, NUM_ACTIONS),
        resting=rng.normal(0, 0.09, NUM_ACTIONS),
    )


@dataclass(frozen=True)
class Ageing:
    """Marks of age, all 0 to 1."""

    child: float  #: 1 for a baby, 0 from 18 years on; affects proportions.
    wrinkles: float  #: Depth of lines; none until the late twenties.
    sagging: float  #: Jowls, drooping brows and lids, thin lips.
    gray: float  #: Share of white in the hair.
    recession: float  #: How far the hairline has receded.
    grown: float  #: 1 from 20 years on; affects beards and heavy brows.


def make_ageing(age: int, masculine: float, rng: np.random.Generator) -> Ageing:
    """Derive the marks of ``age``; the apparent age differs from it by a few years."""
    looks = age + 0.06 * age * min(max(rng.standard_normal(), -2.0), 2.0)
    return Ageing(
        child=1 - _ramp(looks, 1, 18) ** 0.8,
        wrinkles=_ramp(looks, 26, 100),
        sagging=_ramp(looks, 38, 112),
        gray=_ramp(looks + rng.uniform(-8, 8), 36, 72),
        recession=_ramp(looks, 25, 100) * (0.25 + 0.75 * masculine),
        grown=_ramp(looks, 12, 20),
    )


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)
