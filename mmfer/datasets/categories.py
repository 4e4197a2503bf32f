# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Class names, in the order in which mmfer's models number them."""

#: The order of the released APViT models. Datasets that count differently (RAF-DB's files say
#: 1 Surprise ... 7 Neutral) are mapped to it when they are read.
EXPRESSIONS = ('Anger', 'Disgust', 'Fear', 'Sadness', 'Happiness', 'Surprise', 'Neutral')

#: With the eighth class that FERPlus and AffectNet know; the first seven keep their numbers.
EXPRESSIONS_8 = (*EXPRESSIONS, 'Contempt')
