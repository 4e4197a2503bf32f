# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.registry import MODELS

from .regression_head import RegressionHead


@MODELS.register_module()
class AgeHead(RegressionHead):
    """Light MLP that predicts age in years.

    The target is ``gt_age`` (years) of the data samples, the prediction ``pred_age``. A raw output
    ``x`` stands for ``mean_age + age_scale * x`` years. So an untrained head predicts ``mean_age``,
    and a usual learning rate changes the age by a sensible number of years.

    Args:
        in_channels (int): Width ``C`` of the features.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer. Defaults to (256,).
        loss (dict): Loss of ages in years. Defaults to ``dict(type='WingLoss')``.
        mean_age (float): Age in years for a raw output of 0. Defaults to 40.
        age_scale (float): Years per unit of the raw output, > 0. Defaults to 20.
        age_range (tuple): Lowest and highest predicted age, in years. The loss uses the unclamped
            age, so its gradient never vanishes. Defaults to (1, 116).
        **kwargs: ``dropout_rate``, ``norm_cfg``, ``act_cfg`` and ``init_cfg`` of
            :class:`RegressionHead`.

    Raises:
        ValueError: An argument is out of its range.
    """

    target_key = 'gt_age'

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int] = (256,),
        loss: dict = {'type': 'WingLoss'},  # noqa: B006
        mean_age: float = 40.0,
        age_scale: float = 20.0,
        age_range: tuple[float, float] = (1, 116),
        **kwargs,
    ):
        if not age_scale > 0:
            raise ValueError(f'AgeHead: age_scale must be > 0, got {age_scale!r}')
        if len(age_range) != 2 or not age_range[0] < age_range[1]:
            raise ValueError(
                f'AgeHead: age_range must be (youngest, oldest) in years, got {age_range!r}'
            )
        super().__init__(in_channels, 1, hidden_channels, loss, **kwargs)
        self.mean_age = mean_age
        self.age_scale = age_scale
        self.age_range = tuple(age_range)

    def to_units(self, outputs: Tensor) -> Tensor:
        """Map outputs ``(B, 1)`` to ages ``(B,)`` in years, not clamped."""
        return self.mean_age + self.age_scale * outputs.squeeze(1)

    def store(self, predictions: Tensor, data_samples: list[DataSample]) -> None:
        """Write ``pred_age``, a float within ``age_range``."""
        ages = predictions.clamp(*self.age_range).tolist()
        for sample, age in zip(data_samples, ages, strict=True):
            sample.set_field(age, 'pred_age')
