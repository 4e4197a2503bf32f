# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Models outside of PyTorch: export to ONNX, and the proof that the answers stay the same."""
