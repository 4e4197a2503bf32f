# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Analysis of trained models: pooling, attention, predictions, logs, cost."""
