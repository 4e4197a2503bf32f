# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Weights on disk: safe loading, safetensors, state dicts, plain data, configs in checkpoints."""


class CheckpointError(RuntimeError):
    """A file that cannot be read as a checkpoint: truncated, damaged, or of another kind."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint that names code outside the allow-list. Nothing of it was run."""
