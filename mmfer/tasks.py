# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The tasks of the facial encoders."""

#: In the order of their embeddings in the KT-Adapter; the index of a task never changes.
TASKS = ('expression', 'age', 'landmarks', 'recognition')
