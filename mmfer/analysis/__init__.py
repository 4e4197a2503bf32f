# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a trained model does: pooling, attention, predictions, logs, cost."""
