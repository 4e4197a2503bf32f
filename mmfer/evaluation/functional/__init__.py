# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Metrics as functions of arrays, used by the classes in ``mmfer.evaluation.metrics``."""
