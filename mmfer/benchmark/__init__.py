# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Benchmarks: time and memory of models and data pipelines."""
