# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.registry import MODELS

from .regression_head import RegressionHead


@MODELS.register_module()
class AgeHead(RegressionHead):
    """A light MLP that predicts an age in years.

    Trained on ``gt_age`` (years) of the data samples, it predicts ``pred_age``. The network's
    output ``x`` means ``mean_age + age_scale * x`` years: a fresh head says ``mean_age``, and
    steps of the usual size are steps of a sensible size in years.

    Args:
        in_channels (int): Width ``C`` of the features.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer. Defaults to (256,).
        loss (dict): In years. Defaults to ``dict(type='WingLoss')``.
        mean_age (float): Years of the output 0. Defaults to 40.
        age_scale (float): Years of a step of 1 in the output, > 0. Defaults to 20.
        age_range (tuple): Youngest and oldest age that is predicted, in years. The loss sees the
            unclamped output, whose gradient never vanishes. Defaults to (1, 116).
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
