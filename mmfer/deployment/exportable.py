# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from mmfer.utils.reparameterize import merge_branches

from .outputs import compute_outputs
from .window_attention import replace_window_attention


class Exportable(nn.Module):
    """A model as a function of pictures alone, in the form that is exported.

    It is a copy, in eval mode, with the branches of MobileOne and RepVGG merged; it has no loss, no
    data samples and no prior encoders.

    Args:
        model: Left as it is.
        size: Height and width of its pictures.
        with_preprocessing: Whether it takes ``pictures`` as OpenCV reads them, uint8
            ``(B, H, W, 3)`` in BGR, and normalises them as the model's data preprocessor does; or
            ``input``, ``(B, 3, H, W)`` float32 that is normalised. Default: the latter.
    """

    def __init__(
        self, model: ImageClassifier, size: tuple[int, int], with_preprocessing: bool = False
    ):
        super().__init__()
        self.model = copy.deepcopy(model)
        self.model.eval()
        merge_branches(self.model)
        replace_window_attention(self.model)
        self.size = tuple(size)
        self.with_preprocessing = with_preprocessing
        self.eval()

    @property
    def input_name(self) -> str:
        return 'pictures' if self.with_preprocessing else 'input'

    def example(self, batch: int = 2) -> Tensor:
        """Black pictures of the right shape; two, as exporters take a 1 for a constant."""
        device = next(self.parameters()).device
        if self.with_preprocessing:
            return torch.zeros(batch, *self.size, 3, dtype=torch.uint8, device=device)
        return torch.zeros(batch, 3, *self.size, device=device)

    @torch.no_grad()
    def output_names(self) -> tuple[str, ...]:
        """Names of what :meth:`forward` gives, see :func:`.compute_outputs`."""
        return tuple(self._outputs(self.example()))

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Map pictures to the outputs, in the order of :meth:`output_names`."""
        return tuple(self._outputs(pictures).values())

    def _outputs(self, pictures: Tensor) -> dict[str, Tensor]:
        if self.with_preprocessing:
            pictures = pictures.permute(0, 3, 1, 2)
            pictures = self.model.data_preprocessor(dict(inputs=pictures))['inputs']
        return compute_outputs(self.model.head, self.model.extract_feat(pictures))
