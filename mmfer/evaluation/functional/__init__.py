# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Metrics as functions of arrays; the classes in ``mmfer.evaluation.metrics`` feed them."""
