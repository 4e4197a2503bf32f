# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import io
import json
from pathlib import Path

import numpy as np
import torch

from .errors import PACKAGE_TORCH, ExportError, require_torch
from .exported_model import ExportedModel


class AotModel(ExportedModel):
    """A compiled package, see :func:`.export_package`, on as many threads as PyTorch has.

    Warning:
        Loading a package runs the machine code in it. Load those only that you compiled yourself
        or whose maker you trust as you would trust a program's.

    Args:
        source: The file, or its content.

    Raises:
        FileNotFoundError: There is no such file.
        ExportError: It is no package, or one for another kind of machine; PyTorch is too old.
    """

    def __init__(self, source: str | Path | bytes):
        if isinstance(source, bytes):
            source = io.BytesIO(source)
        elif not Path(source).is_file():
            raise FileNotFoundError(f'there is no compiled package {source}')
        else:
            source = str(source)
        require_torch(PACKAGE_TORCH)
        try:
            self._package = torch._inductor.aoti_load_package(source)
            text = self._package.get_metadata()
        except RuntimeError as error:
            raise ExportError(
                f'PyTorch {torch.__version__} cannot load {_name(source)}: {error}'
            ) from error
        # What PyTorch notes itself is no JSON.
        self.facts = {
            name: json.loads(value) for name, value in text.items() if not name.startswith('AOTI_')
        }
        missing = {'input_name', 'output_names'} - self.facts.keys()
        if missing:
            raise ExportError(
                f'{_name(source)} is no package of mmfer: it does not say its {sorted(missing)}; '
                'tools/deployment/export_aoti.py writes packages'
            )
        self.input_name = self.facts.pop('input_name')
        self.output_names = tuple(self.facts.pop('output_names'))

    def _run(self, pictures: np.ndarray) -> list[np.ndarray]:
        return [value.numpy() for value in self._package(torch.from_numpy(pictures))]


def _name(source: str | io.BytesIO) -> str:
    return source if isinstance(source, str) else 'the package'
