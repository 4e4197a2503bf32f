# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from abc import abstractmethod
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.registry import MODELS

from .mlp import check_widths, last_features, linear_blocks, stack_targets


class RegressionHead(BaseModule):
    """Base class of light MLPs that predict numbers in physical units.

    A subclass converts raw outputs to years or pixels. Raw outputs are near zero in an untrained
    head and of the order of one in a trained head.

    Args:
        in_channels (int): Width ``C`` of the features.
        out_channels (int): Number of outputs per sample.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer. Defaults to (256,).
        loss (dict): Loss of predictions and targets in physical units, such as ``WingLoss``,
            ``L1Loss``, ``SmoothL1Loss`` or ``MSELoss``. Defaults to ``dict(type='WingLoss')``.
        dropout_rate (float): Dropout after each hidden layer. Defaults to 0.
        norm_cfg (dict, optional): Normalization after each hidden layer. Defaults to None.
        act_cfg (dict): Activation after each hidden layer. Defaults to ReLU.
        init_cfg (dict, optional): Initialization. Defaults to normal with std 0.001 for the last
            layer and PyTorch's own for the others.

    Raises:
        ValueError: A width is not positive.
    """

    #: The field of a data sample that holds the target.
    target_key = ''

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: Sequence[int] = (256,),
        loss: dict = {'type': 'WingLoss'},  # noqa: B006  a config, never changed
        dropout_rate: float = 0.0,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = {'type': 'ReLU'},  # noqa: B006
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        hidden_channels = check_widths(self, in_channels, hidden_channels)
        self.in_channels = in_channels
        self.loss_module = MODELS.build(loss)
        self.layers = linear_blocks(
            in_channels,
            hidden_channels,
            out_channels,
            dropout_rate,
            norm_cfg,
            act_cfg,
            out_init=None if init_cfg else dict(type='Normal', layer='Linear', std=0.001),
        )

    # Subclasses implement these two ----------------------------------------------------------

    @abstractmethod
    def to_units(self, outputs: Tensor) -> Tensor:
        """Map raw outputs ``(B, out_channels)`` to years or pixels, ``(B, ...)``."""

    @abstractmethod
    def store(self, predictions: Tensor, data_samples: list[DataSample]) -> None:
        """Write predictions ``(B, ...)`` in physical units into the samples."""

    # Common to all heads ---------------------------------------------------------------------

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Map the last of ``feats``, ``(B, C)`` or a map, to the input of the last layer."""
        x = last_features(self, feats, self.in_channels)
        for layer in self.layers[:-1]:
            x = layer(x)
        return x

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Map features to predictions in physical units, ``(B, ...)``.

        In training, also under autocast, they are at least float32.
        """
        x = self.pre_logits(feats)
        # Full precision even under autocast: bfloat16 with its 8 bits would be half a pixel off.
        with torch.autocast(x.device.type, enabled=False):
            outputs = self.layers[-1](x.to(self.layers[-1].fc.weight.dtype))
            return self.to_units(outputs)

    def loss(self, feats: tuple[Tensor, ...], data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Compute the loss of predictions and targets.

        Raises:
            ValueError: A sample has no target, or a target of the wrong shape.
        """
        predictions = self(feats)
        targets = stack_targets(self, data_samples, self.target_key, predictions)
        return dict(loss=self.loss_module(predictions, targets))

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Write predictions into the samples, or into new samples if none are given."""
        predictions = self(feats)
        data_samples = data_samples or [None] * len(predictions)
        data_samples = [DataSample() if sample is None else sample for sample in data_samples]
        self.store(predictions, data_samples)
        return data_samples
