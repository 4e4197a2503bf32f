# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Face sets before training: aligning, cropping, folds."""
