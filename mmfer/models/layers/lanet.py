# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging

import torch.nn as nn
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

#: ``'release'`` was used for the published results; ``'paper'`` is described in the text.
LANET_FORMS = ('release', 'paper')


def check_lanet_form(name: str, form: str) -> None:
    """Check that ``form`` is one of :data:`LANET_FORMS`.

    Args:
        name (str): Config key in the error message.
        form (str): The form.

    Raises:
        ValueError: ``form`` is unknown.
    """
    if form not in LANET_FORMS:
        raise ValueError(f'{name} must be one of {LANET_FORMS}, got {form!r}')


class LANet(BaseModule):
    """Learned spatial attention map: two 1x1 convolutions with a ReLU between (Figure 4b).

    With ``norm``, BatchNorm follows each convolution; with ``sigmoid``, the map is in (0, 1). The
    released code has both. On tokens, a 1x1 convolution is a linear layer; both layers are
    initialized like PyTorch convolutions, as in the release.

    Args:
        in_channels (int): Channels ``C`` of the patches, at least ``reduction``.
        reduction (int): The hidden width is ``C // reduction``. Defaults to 16.
        norm (bool): Whether to use BatchNorm. Defaults to True.
        sigmoid (bool): Whether to end with a sigmoid. Defaults to True.
    """

    def __init__(
        self, in_channels: int, reduction: int = 16, norm: bool = True, sigmoid: bool = True
    ):
        super().__init__()
        if in_channels < reduction:
            raise ValueError(
                f'LANet needs in_channels >= reduction={reduction}, got in_channels={in_channels}'
            )
        hidden = in_channels // reduction
        self.squeeze = nn.Linear(in_channels, hidden)
        self.bn1 = nn.BatchNorm1d(hidden) if norm else nn.Identity()
        self.act = nn.ReLU(inplace=True)
        self.score = nn.Linear(hidden, 1)
        self.bn2 = nn.BatchNorm1d(1) if norm else nn.Identity()
        self.last = nn.Sigmoid() if sigmoid else nn.Identity()
        if norm:
            self._register_load_state_dict_pre_hook(self._warn_of_missing_norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches ``(B, N, C)`` to scores ``(B, N)``."""
        x = self.act(self.bn1(self.squeeze(x).mT)).mT  # BatchNorm needs (B, C, N)
        return self.last(self.bn2(self.score(x).mT)).squeeze(1)

    @staticmethod
    def _warn_of_missing_norm(state_dict: dict, prefix: str, *_) -> None:
        """Warn if a checkpoint has no BatchNorm, as those of earlier mmfer versions."""
        if f'{prefix}squeeze.weight' in state_dict and f'{prefix}bn1.weight' not in state_dict:
            print_log(
                f'{prefix}: the checkpoint has a LANet without BatchNorm; to load it, set '
                "lanet_form='paper' in model.backbone.app, or in model.backbone of a TransFER",
                'current',
                logging.WARNING,
            )
