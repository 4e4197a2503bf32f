# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Models outside of PyTorch: ONNX and compiled packages, and the proof that they are the models."""
