# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Test-time augmentation: average predictions over views of an image."""

from .average_scores_tta import AverageScoresTTA

__all__ = ['AverageScoresTTA']
