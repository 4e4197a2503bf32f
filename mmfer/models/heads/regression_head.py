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
    """A light MLP that predicts numbers in physical units.

    A subclass says how its outputs, which are near zero in a fresh head and of the order of one in
    a trained one, become years or pixels.

    Args:
        in_channels (int): Width ``C`` of the features.
        out_channels (int): Numbers per sample.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer. Defaults to (256,).
        loss (dict): A loss of the predictions in units and of the targets, such as ``WingLoss``,
            ``L1Loss``, ``SmoothL1Loss`` or ``MSELoss``. Defaults to ``dict(type='WingLoss')``.
        dropout_rate (float): Dropout after each hidden layer. Defaults to 0.
        norm_cfg (dict, optional): Normalization after each hidden layer. Defaults to None.
        act_cfg (dict): Activation after each hidden layer. Defaults to ReLU.
        init_cfg (dict, optional): Initialization. By default the last layer starts near zero
            (normal, deviation 0.001) and the others as in PyTorch.

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

    # What a subclass writes ------------------------------------------------------------------

    @abstractmethod
    def to_units(self, outputs: Tensor) -> Tensor:
        """Map outputs ``(B, out_channels)`` of the last layer to years or pixels, ``(B, ...)``."""

    @abstractmethod
    def store(self, predictions: Tensor, data_samples: list[DataSample]) -> None:
        """Write predictions ``(B, ...)`` in units into the samples."""

    # What all heads do -----------------------------------------------------------------------

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Map the last of ``feats``, ``(B, C)`` or a map, to what the last layer gets."""
        x = last_features(self, feats, self.in_channels)
        for layer in self.layers[:-1]:
            x = layer(x)
        return x

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Map features to predictions in units, ``(B, ...)``, at least float32 in training."""
        x = self.pre_logits(feats)
        # In full precision even under autocast: the eight bits of bfloat16 would be half a pixel.
        with torch.autocast(x.device.type, enabled=False):
            outputs = self.layers[-1](x.to(self.layers[-1].fc.weight.dtype))
            return self.to_units(outputs)

    def loss(self, feats: tuple[Tensor, ...], data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Compare predictions with the samples' targets.

        Raises:
            ValueError: A sample has no target, or one of the wrong shape.
        """
        predictions = self(feats)
        targets = stack_targets(self, data_samples, self.target_key, predictions)
        return dict(loss=self.loss_module(predictions, targets))

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Write predictions into the samples (into new ones where there are none)."""
        predictions = self(feats)
        data_samples = data_samples or [None] * len(predictions)
        data_samples = [DataSample() if sample is None else sample for sample in data_samples]
        self.store(predictions, data_samples)
        return data_samples
