# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Class names, in the order of mmfer's class numbers."""

#: The order of the released APViT models. Datasets with another order (RAF-DB's files have
#: 1 Surprise ... 7 Neutral) are mapped to it when they are loaded.
EXPRESSIONS = ('Anger', 'Disgust', 'Fear', 'Sadness', 'Happiness', 'Surprise', 'Neutral')

#: With the eighth class of FERPlus and AffectNet; the first seven keep their numbers.
EXPRESSIONS_8 = (*EXPRESSIONS, 'Contempt')

#: Other names of expressions, e.g. of folders, in lower case.
EXPRESSION_SYNONYMS = {
    'angry': 'Anger',
    'disgusted': 'Disgust',
    'fearful': 'Fear',
    'happy': 'Happiness',
    'sad': 'Sadness',
    'surprised': 'Surprise',
}

#: The twelve action units of the Facial Action Coding System that are annotated in Aff-Wild2.
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
