# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Class names, in the order in which mmfer's models number them."""

#: The order of the released APViT models. Datasets that count differently (RAF-DB's files say
#: 1 Surprise ... 7 Neutral) are mapped to it when they are read.
EXPRESSIONS = ('Anger', 'Disgust', 'Fear', 'Sadness', 'Happiness', 'Surprise', 'Neutral')

#: With the eighth class that FERPlus and AffectNet know; the first seven keep their numbers.
EXPRESSIONS_8 = (*EXPRESSIONS, 'Contempt')

#: How else expressions are called, as by names of folders, in lower case.
EXPRESSION_SYNONYMS = {
    'angry': 'Anger',
    'disgusted': 'Disgust',
    'fearful': 'Fear',
    'happy': 'Happiness',
    'sad': 'Sadness',
    'surprised': 'Surprise',
}

#: The twelve action units of the Facial Action Coding System that Aff-Wild2 is annotated with.
ACTION_UNITS = (
    'AU1',
    'AU2',
    'AU4',
    'AU6',
    'AU7',
    'AU10',
    'AU12',
    'AU15',
    'AU23',
    'AU24',
    'AU25',
    'AU26',
)
