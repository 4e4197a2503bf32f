# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.registry import MODELS
from mmfer.utils.checks import check_count

from .regression_head import RegressionHead


@MODELS.register_module()
class LandmarkHead(RegressionHead):
    """Light MLP that predicts facial landmarks in pixels of the network input.

    The target is ``gt_landmarks`` ``(P, 2)`` of the data samples, the prediction
    ``pred_landmarks``: (x, y), with (0, 0) at the center of the first pixel. Raw outputs are
    offsets from the image center, as fractions of width and height. So an untrained head predicts
    the center for all points.

    Args:
        in_channels (int): Width ``C`` of the features.
        num_points (int): Number of landmarks ``P``. Defaults to 98, as in WFLW.
        input_size (int | Sequence[int]): Side, or (height, width), of the network input in pixels.
            Defaults to 224.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer. Defaults to (256,).
        loss (dict): Loss of landmarks in pixels. Defaults to ``dict(type='WingLoss')``.
        **kwargs: ``dropout_rate``, ``norm_cfg``, ``act_cfg`` and ``init_cfg`` of
            :class:`RegressionHead`.

    Raises:
        ValueError: An argument is out of its range.
    """

    target_key = 'gt_landmarks'

    def __init__(
        self,
        in_channels: int,
        num_points: int = 98,
        input_size: int | Sequence[int] = 224,
        hidden_channels: Sequence[int] = (256,),
        loss: dict = {'type': 'WingLoss'},  # noqa: B006
        **kwargs,
    ):
        check_count('LandmarkHead: num_points', num_points)
        size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
        if len(size) != 2 or min(size) < 1:
            raise ValueError(
                f'LandmarkHead: input_size must be a side or (height, width) in pixels, got '
                f'{input_size!r}'
            )
        super().__init__(in_channels, 2 * num_points, hidden_channels, loss, **kwargs)
        self.num_points = num_points
        self.input_size = size
        # (width, height), like (x, y). Not a weight, so it is not saved in checkpoints.
        self.register_buffer('scale', torch.tensor(size[::-1]).float(), persistent=False)

    def to_units(self, outputs: Tensor) -> Tensor:
        """Map outputs ``(B, 2 P)`` to points ``(B, P, 2)`` in pixels."""
        # Coordinates refer to pixel centers, so the image extends from -0.5 to size - 0.5.
        return (outputs.view(-1, self.num_points, 2) + 0.5) * self.scale - 0.5

    def store(self, predictions: Tensor, data_samples: list[DataSample]) -> None:
        """Write ``pred_landmarks``, a tensor ``(P, 2)``."""
        for sample, points in zip(data_samples, predictions, strict=True):
            sample.set_field(points, 'pred_landmarks')
