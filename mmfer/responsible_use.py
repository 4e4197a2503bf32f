# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0

#: The paragraphs of "Responsible use" in README.md, shown wherever people see predictions.
RESPONSIBLE_USE = (
    'A model like this names the *look* of a face, as annotators would. It cannot tell what '
    'somebody feels, thinks or intends: people smile when they are sad and frown when they '
    'concentrate, and the same face means different things in different places and cultures. Its '
    'errors are not spread evenly over age, skin color or disability, and its training sets are '
    'far from balanced; per-class results are printed for that reason, and they are not enough to '
    'show that a use is fair.',
    'In the European Union the AI Act (Regulation 2024/1689) forbids putting emotion recognition '
    'to use at work and in education, except for medical or safety reasons (Article 5(1)(f)); '
    'elsewhere it is a high-risk use (Annex III) and people must be told of it (Article 50). Do '
    'not use this software to judge, rank, watch or sort people. Images of faces are personal '
    'data: keep them where they may be, with the consent they were given under. mmfer uploads '
    'nothing.',
)
