# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What stays with a person: shape, colours, hair and habits of the face."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .colours import mix
from .random_streams import Stream, stream

HAIR_STYLES = ('shaven', 'short', 'parted', 'fringe', 'long', 'wavy', 'curly', 'bun')
BEARDS = ('none', 'stubble', 'moustache', 'goatee', 'full')

# From light to dark; people differ along the scale and, in undertone, across it.
_SKIN = np.array([(205, 220, 246), (168, 192, 232), (122, 160, 212), (84, 122, 178), (52, 78, 122)])
_HAIR = np.array(
    [(28, 26, 30), (34, 44, 62), (40, 66, 104), (70, 112, 160), (130, 186, 222), (44, 84, 170)]
)
_IRIS = np.array([(26, 44, 72), (40, 80, 120), (150, 120, 70), (90, 120, 70), (130, 130, 110)])
_CLOTHES = np.array(
    [(90, 50, 40), (60, 60, 170), (70, 120, 60), (190, 170, 160), (50, 50, 55), (60, 150, 210)]
)


@dataclass(frozen=True)
class Identity:
    """Numbers that describe a person. Lengths are factors of the average face.

    Args:
        masculine (float): 0 to 1; heavier brows and jaw, and a beard above 0.5.
        skin, hair, iris, clothes (np.ndarray): Colours, BGR, 0 to 255.
        hair_style, beard (str): One of ``HAIR_STYLES``, ``BEARDS``.
        freckles (float): 0 (none) to 1.
        mole (np.ndarray | None): Position in face units.
        glasses (bool): Whether the person wears glasses.
        habits (np.ndarray): Gain of every muscle action, around 1.
        resting (np.ndarray): Muscle actions of the face at rest, around 0.
    """

    masculine: float
    face_width: float
    jaw_square: float
    jaw_taper: float
    chin: float
    forehead: float
    eye_size: float
    eye_open: float
    eye_spacing: float
    eye_tilt: float
    brow_thickness: float
    brow_height: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    ear: float
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    clothes: np.ndarray
    hair_style: str
    beard: str
    freckles: float
    mole: np.ndarray | None
    glasses: bool
    habits: np.ndarray
    resting: np.ndarray


@lru_cache(maxsize=4096)  # a person is met many times; the key holds all that the result depends on
def make_identity(seed: int, number: int, num_actions: int) -> Identity:
    """Make up person ``number`` of the dataset with this seed."""
    rng = stream(Stream.IDENTITY, seed, number)
    masculine = float(rng.beta(0.6, 0.6))

    def around(spread, centre=1.0):
        return float(centre + spread * np.clip(rng.standard_normal(), -2, 2))

    tone = rng.uniform(0, len(_SKIN) - 1.001)
    skin = mix(_SKIN[int(tone)], _SKIN[int(tone) + 1], tone % 1)
    # Undertone: from rosy to olive, at the same lightness.
    skin = skin + rng.normal(0, 6) * np.array([-1.0, -0.1, 0.6])
    # Fair hair on dark skin exists but is rare: dark skin takes the first half of the palette.
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
    return Identity(
        masculine=masculine,
        face_width=around(0.045, 0.98 + 0.03 * masculine),
        jaw_square=around(0.22, 2.15 + 0.35 * masculine),
        jaw_taper=around(0.05, 0.13 - 0.06 * masculine),
        chin=around(0.05),
        forehead=around(0.08),
        eye_size=around(0.08),
        eye_open=around(0.14, 1.05 - 0.12 * masculine),
        eye_spacing=around(0.045),
        eye_tilt=around(0.016, 0.012),
        brow_thickness=around(0.22, 0.72 + 0.6 * masculine),
        brow_height=around(0.1, 1.06 - 0.12 * masculine),
        brow_arch=around(0.3),
        nose_length=around(0.07),
        nose_width=around(0.13),
        mouth_width=around(0.08),
        upper_lip=around(0.25, 1.05 - 0.15 * masculine),
        lower_lip=around(0.2, 1.05 - 0.1 * masculine),
        ear=around(0.15),
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
        habits=rng.uniform(0.7, 1.3, num_actions),
        resting=rng.normal(0, 0.09, num_actions),
    )
