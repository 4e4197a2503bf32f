# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging

import torch.nn as nn
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

#: ``'release'`` is what the published rows were trained with, ``'paper'`` what the text describes.
LANET_FORMS = ('release', 'paper')


def check_lanet_form(name: str, form: str) -> None:
    """Refuse what is no form of a LANet.

    Args:
        name (str): The config key, for the error.
        form (str): One of :data:`LANET_FORMS`.

    Raises:
        ValueError: It is not.
    """
    if form not in LANET_FORMS:
        raise ValueError(f'{name} must be one of {LANET_FORMS}, got {form!r}')


class LANet(BaseModule):
    """A learned spatial attention map: two 1x1 convolutions with a ReLU between (Figure 4b).

    With ``norm``, BatchNorm follows each of the convolutions, and with ``sigmoid`` the map is in
    (0, 1). The released code has both. On tokens a 1x1 convolution is a linear layer; both layers
    start as PyTorch starts a convolution, as in the release.

    Args:
        in_channels (int): Channels ``C`` of the patches, at least ``reduction``.
        reduction (int): The hidden width is ``C // reduction``. Defaults to 16.
        norm (bool): Whether there is BatchNorm. Defaults to True.
        sigmoid (bool): Whether the map ends in a sigmoid. Defaults to True.
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
            self._register_load_state_dict_pre_hook(self._name_plain_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches ``(B, N, C)`` to scores ``(B, N)``."""
        x = self.act(self.bn1(self.squeeze(x).mT)).mT  # BatchNorm takes (B, C, N)
        return self.last(self.bn2(self.score(x).mT)).squeeze(1)

    @staticmethod
    def _name_plain_weights(state_dict: dict, prefix: str, *_) -> None:
        """Say which form a checkpoint without BatchNorm is of; those of earlier versions are."""
        if f'{prefix}squeeze.weight' in state_dict and f'{prefix}bn1.weight' not in state_dict:
            print_log(
                f"{prefix}: the checkpoint has a LANet without BatchNorm; lanet_form='paper' of "
                'model.backbone.app, or of the backbone TransFER, is that form',
                'current',
                logging.WARNING,
            )
