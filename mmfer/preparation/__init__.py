# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Preparation of face datasets before training: alignment, cropping, folds."""
