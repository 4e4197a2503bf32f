# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Averages over views of an image in testing."""

from .average_scores_tta import AverageScoresTTA

__all__ = ['AverageScoresTTA']
