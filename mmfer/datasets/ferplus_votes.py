# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Rules that turn the ten votes on an image of FER+ into a label (Barsoum et al., ICMI 2016).

Majority and shares are the rules of the dataset's authors, who publish them in code rather than in
the paper; both first remove single votes. The pluralities are the rules that later papers use: one
label for every face, or for every face that most people could label.
"""

import numpy as np

#: The columns for emotions in ``fer2013new.csv``, in its order, and what they mean.
FERPLUS_EMOTIONS = {
    'neutral': 'Neutral',
    'happiness': 'Happiness',
    'surprise': 'Surprise',
    'sadness': 'Sadness',
    'anger': 'Anger',
    'disgust': 'Disgust',
    'fear': 'Fear',
    'contempt': 'Contempt',
}
#: All ten columns of votes; the last two are for an unknown expression and for no face.
FERPLUS_COLUMNS = (*FERPLUS_EMOTIONS, 'unknown', 'NF')

_NUM_EMOTIONS = len(FERPLUS_EMOTIONS)
# An image with more emotions than this is ambiguous.
_MOST_EMOTIONS = 3
# Share of the votes that the selected emotions must reach.
_ENOUGH = 0.75


def plurality_label(votes: np.ndarray) -> np.ndarray | None:
    """Select the emotion with the most votes of the eight, whatever its share of all votes is.

    *Unknown* and *no face* are ignored. In a tie the first column wins: neutral, happiness,
    surprise, sadness, anger, disgust, fear, contempt.

    Args:
        votes (np.ndarray): (10,), counts of the eight emotions, *unknown* and *no face*.

    Returns:
        (8,), 1 for that emotion and 0 for the others; None if nobody voted for an emotion.
    """
    emotions = np.asarray(votes)[:_NUM_EMOTIONS]
    return np.eye(_NUM_EMOTIONS)[emotions.argmax()] if emotions.any() else None


def plurality_of_ten_label(votes: np.ndarray) -> np.ndarray | None:
    """Like :func:`plurality_label`, but None if *unknown* or *no face* has the most votes.

    Args:
        votes (np.ndarray): (10,), counts of the eight emotions, *unknown* and *no face*.

    Returns:
        (8,), 1 for the emotion and 0 for the others; None if one of those two has more votes than
        every emotion, or nobody voted for an emotion.
    """
    votes = np.asarray(votes)
    ahead = votes[_NUM_EMOTIONS:].max() > votes[:_NUM_EMOTIONS].max()
    return None if ahead else plurality_label(votes)


def majority_label(votes: np.ndarray) -> np.ndarray | None:
    """Select the emotion with more than half of the votes.

    Args:
        votes (np.ndarray): (10,), counts of the eight emotions, *unknown* and *no face*.

    Returns:
        (8,), 1 for that emotion and 0 for the others; None if no emotion has the majority.
    """
    votes = _without_single(votes)
    winner = votes.argmax()
    if winner >= _NUM_EMOTIONS or votes[winner] <= 0.5 * votes.sum():
        return None
    return np.eye(_NUM_EMOTIONS)[winner]


def soft_label(votes: np.ndarray) -> np.ndarray | None:
    """Return the shares of the emotions with the most votes.

    Emotions are selected in the order of their votes, ties together, until they have three quarters
    of the votes or there are three of them. Selection also ends at *unknown* or *no face*. There is
    no label if one of those two has more votes than every emotion, if the selected emotions have
    half of the votes or less, or if a tie makes them more than three.

    Args:
        votes (np.ndarray): (10,), counts of the eight emotions, *unknown* and *no face*.

    Returns:
        (8,), shares that add up to 1; None if the image should be skipped.
    """
    votes = _without_single(votes)
    total = votes.sum()
    taken = np.zeros(_NUM_EMOTIONS)
    for count in np.unique(votes[votes > 0])[::-1]:
        if taken.sum() >= _ENOUGH * total or np.count_nonzero(taken) >= _MOST_EMOTIONS:
            break
        equal = votes == count
        taken[equal[:_NUM_EMOTIONS]] = count
        if equal[_NUM_EMOTIONS:].any():
            break
    if taken.sum() <= 0.5 * total or np.count_nonzero(taken) > _MOST_EMOTIONS:
        return None
    return taken / taken.sum()


def _without_single(votes: np.ndarray) -> np.ndarray:
    votes = np.asarray(votes, np.float64)
    return np.where(votes > 1, votes, 0.0)
