# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class ExportedModel(ABC):
    """A model that left PyTorch's eager form, and is called with NumPy arrays.

    Attributes:
        facts: What the file says of the model, see :meth:`.LoadedModel.facts`.
        input_name: ``'input'`` or, with preprocessing inside, ``'pictures'``.
        output_names: See :func:`.compute_outputs`.
    """

    facts: dict[str, Any]
    input_name: str
    output_names: tuple[str, ...]

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
        values = self._run(np.ascontiguousarray(pictures))
        return dict(zip(self.output_names, values, strict=True))

    @abstractmethod
    def _run(self, pictures: np.ndarray) -> list[np.ndarray]:
        """The outputs, in the order of their names."""
