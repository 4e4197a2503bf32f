# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What ten people's votes make of an image of FER+ (Barsoum et al., ICMI 2016).

Majority and shares are the rules of the data set's authors, who publish them as code rather than in
the paper; both begin by forgetting a vote that nobody shares. Pluralities are what later papers
count: one label for every face, or for every one that most people could tell.
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
#: All ten columns of votes: the last two are that it cannot be told, and that there is no face.
FERPLUS_COLUMNS = (*FERPLUS_EMOTIONS, 'unknown', 'NF')

_NUM_EMOTIONS = len(FERPLUS_EMOTIONS)
# More than this many emotions at once say nothing.
_MOST_EMOTIONS = 3
# So much of the votes is enough.
_ENOUGH = 0.75


def plurality_label(votes: np.ndarray) -> np.ndarray | None:
    """Choose the emotion that has the most votes of the eight, whatever share of all votes that is.

    *Unknown* and *no face* do not compete. Of level emotions the first column wins: neutral,
    happiness, surprise, sadness, anger, disgust, fear, contempt.

    Args:
        votes (np.ndarray): (10,), counts of the eight emotions, *unknown* and *no face*.

    Returns:
        (8,), 1 for that emotion and 0 for the others; None where nobody voted for an emotion.
    """
    emotions = np.asarray(votes)[:_NUM_EMOTIONS]
    return np.eye(_NUM_EMOTIONS)[emotions.argmax()] if emotions.any() else None


def plurality_of_ten_label(votes: np.ndarray) -> np.ndarray | None:
    """Choose as :func:`plurality_label`, unless *unknown* or *no face* is ahead of every emotion.

    Args:
        votes (np.ndarray): (10,), counts of the eight emotions, *unknown* and *no face*.

    Returns:
        (8,), 1 for the emotion and 0 for the others; None where one of those two is ahead, or
        nobody voted for an emotion.
    """
    votes = np.asarray(votes)
    ahead = votes[_NUM_EMOTIONS:].max() > votes[:_NUM_EMOTIONS].max()
    return None if ahead else plurality_label(votes)


def majority_label(votes: np.ndarray) -> np.ndarray | None:
    """Choose the emotion that has more than half of the votes.

    Args:
        votes (np.ndarray): (10,), counts of the eight emotions, *unknown* and *no face*.

    Returns:
        (8,), 1 for that emotion and 0 for the others; None where no emotion has the majority.
    """
    votes = _without_single(votes)
    winner = votes.argmax()
    if winner >= _NUM_EMOTIONS or votes[winner] <= 0.5 * votes.sum():
        return None
    return np.eye(_NUM_EMOTIONS)[winner]


def soft_label(votes: np.ndarray) -> np.ndarray | None:
    """Share an image among the emotions that lead.

    Emotions are taken from the most voted for downwards, equal ones together, until they have three
    quarters of the votes or there are three; *unknown* or *no face* ends it. The image is left
    out when one of those two is ahead of every emotion, when what was taken has no more than half
    of the votes, or when equal votes made it more than three.

    Args:
        votes (np.ndarray): (10,), counts of the eight emotions, *unknown* and *no face*.

    Returns:
        (8,), shares that add up to 1; None where the image is to be left out.
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
