# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Weights on disk: safe loading, safetensors, state dicts, plain data, configs in checkpoints."""
