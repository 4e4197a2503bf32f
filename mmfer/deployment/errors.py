# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import importlib.util
import re

import torch

#: With the version before, the exporter that follows torch.export takes the batch size for limited.
ONNX_TORCH = (2, 10)
#: Before it, a compiled package was no single file.
PACKAGE_TORCH = (2, 6)
_PACKAGES = ('onnx', 'onnxruntime', 'onnxscript')


class ExportError(RuntimeError):
    """A model cannot be exported, or what was exported is not the model."""


def require_packages(*names: str) -> None:
    """Check that what export needs is installed.

    Args:
        *names: Import names of packages. Default: those for export, and PyTorch's version.

    Raises:
        ExportError: Something is missing; says the command that mends it.
    """
    missing = [name for name in names or _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f'{" and ".join(missing)} cannot be imported; install what ONNX needs with\n'
            f'    pip install {" ".join(_PACKAGES)}'
        )
    if not names:
        require_torch(ONNX_TORCH)


def require_torch(lowest: tuple[int, int]) -> None:
    """Check PyTorch's version.

    Args:
        lowest: :data:`ONNX_TORCH` or :data:`PACKAGE_TORCH`.

    Raises:
        ExportError: It is too old.
    """
    found = tuple(map(int, re.findall(r'\d+', torch.__version__)[:2]))
    if found < lowest:
        raise ExportError(
            f'this needs torch >= {".".join(map(str, lowest))}, found {torch.__version__}. '
            'Checkpoints do not depend on it: use another environment'
        )
