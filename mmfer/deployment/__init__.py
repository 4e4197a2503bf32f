# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Export to ONNX and compiled packages, and comparison of exported models with PyTorch."""
