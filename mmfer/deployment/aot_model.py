# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .errors import ExportError


class AotModel:
    """A compiled package, see :func:`.export_package`, on as many threads as PyTorch has.

    Warning:
        Loading a package runs the machine code in it. Load those only that you compiled yourself
        or whose maker you trust as you would trust a program's.

    Args:
        source: The file, or its content.

    Attributes:
        facts: What the package says of the model, see :meth:`.LoadedModel.facts`.
        input_name: ``'input'`` or, with preprocessing inside, ``'pictures'``.
        output_names: See :func:`.compute_outputs`.

    Raises:
        FileNotFoundError: There is no such file.
        ExportError: It is no package, or one for another kind of machine.
    """

    def __init__(self, source: str | Path | bytes):
        if isinstance(source, bytes):
            source = io.BytesIO(source)
        elif not Path(source).is_file():
            raise FileNotFoundError(f'there is no compiled package {source}')
        else:
            source = str(source)
        try:
            self._run = torch._inductor.aoti_load_package(source)
            text = self._run.get_metadata()
        except RuntimeError as error:
            raise ExportError(
                f'PyTorch {torch.__version__} cannot load {_name(source)}: {error}'
            ) from error
        # What PyTorch notes itself is no JSON.
        self.facts: dict[str, Any] = {
            name: json.loads(value) for name, value in text.items() if not name.startswith('AOTI_')
        }
        missing = {'input_name', 'output_names'} - self.facts.keys()
        if missing:
            raise ExportError(
                f'{_name(source)} is no package of mmfer: it does not say its {sorted(missing)}; '
                'tools/deployment/export_aoti.py writes packages'
            )
        self.input_name: str = self.facts.pop('input_name')
        self.output_names: tuple[str, ...] = tuple(self.facts.pop('output_names'))

    @property
    def with_preprocessing(self) -> bool:
        """Whether it takes uint8 pictures."""
        return self.input_name == 'pictures'

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Run a batch.

        Args:
            pictures: ``(B, 3, H, W)`` float32, normalised; with preprocessing inside,
                ``(B, H, W, 3)`` uint8 in BGR.

        Returns:
            By output name, ``(B, ...)`` float32.
        """
        values = self._run(torch.from_numpy(np.ascontiguousarray(pictures)))
        return {name: value.numpy() for name, value in zip(self.output_names, values, strict=True)}


def _name(source: str | io.BytesIO) -> str:
    return source if isinstance(source, str) else 'the package'
