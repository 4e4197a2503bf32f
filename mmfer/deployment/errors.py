# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import importlib.util
import re

import torch

#: Before it, the exporter that follows torch.export was not finished, and a compiled package was
#: no single file.
_TORCH = (2, 6)
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
        require_torch()


def require_torch() -> None:
    """Check PyTorch's version.

    Raises:
        ExportError: It is too old.
    """
    found = tuple(map(int, re.findall(r'\d+', torch.__version__)[:2]))
    if found < _TORCH:
        raise ExportError(
            f'exported models need torch >= {".".join(map(str, _TORCH))}, found '
            f'{torch.__version__}. Checkpoints do not depend on it: use another environment'
        )
