# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.registry import MODELS

from .mlp import stack_targets
from .regression_head import RegressionHead

ACTIVATIONS = ('tanh', 'linear')


@MODELS.register_module()
class ValenceArousalHead(RegressionHead):
    """Linear layer or light MLP that predicts valence (how pleasant) and arousal (how excited).

    The target is ``gt_valence_arousal`` (2,) of the data samples, both in [-1, 1]; the prediction
    is ``pred_valence_arousal``, a tensor (2,). An untrained head predicts (0, 0). A sample with a
    number outside [-1, 1], or NaN, is unlabeled (AffectNet's files have -2, Aff-Wild2's -5) and
    ignored in loss and gradient. A batch without labels has a loss of 0.

    Args:
        in_channels (int): Width ``C`` of the features.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer. Defaults to ().
        loss (dict): ``CCCLoss``, ``MSELoss``, ``L1Loss`` or another loss with ``weight`` and
            ``avg_factor``. Defaults to ``dict(type='CCCLoss')``.
        activation (str): Maps outputs to [-1, 1]. ``'tanh'`` is applied in loss and prediction;
            ``'linear'`` clamps predictions only, so the gradient never vanishes. Defaults to
            'tanh'.
        **kwargs: ``dropout_rate``, ``norm_cfg``, ``act_cfg`` and ``init_cfg`` of
            :class:`RegressionHead`.

    Raises:
        ValueError: ``activation`` is unknown, or a width is not positive.
    """

    target_key = 'gt_valence_arousal'

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int] = (),
        loss: dict = {'type': 'CCCLoss'},  # noqa: B006
        activation: str = 'tanh',
        **kwargs,
    ):
        if activation not in ACTIVATIONS:
            raise ValueError(
                f'ValenceArousalHead: activation must be one of {ACTIVATIONS}, got {activation!r}'
            )
        super().__init__(in_channels, 2, hidden_channels, loss, **kwargs)
        self.activation = activation

    def to_units(self, outputs: Tensor) -> Tensor:
        """Map outputs ``(B, 2)`` to valence and arousal ``(B, 2)``, not clamped."""
        return outputs.tanh() if self.activation == 'tanh' else outputs

    def loss(self, feats: tuple[Tensor, ...], data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Compute the loss over the labeled samples.

        Raises:
            ValueError: A sample lacks ``gt_valence_arousal``, or it has another shape.
        """
        predictions = self(feats)
        targets = stack_targets(self, data_samples, self.target_key, predictions)
        known = (targets.abs() <= 1).all(dim=1)  # False for NaN
        # Weights, not indexing: the graph does not depend on the labels.
        loss = self.loss_module(
            predictions,
            targets.masked_fill(~known[:, None], 0),
            weight=known.to(predictions.dtype),
            avg_factor=known.sum().clamp(min=1),
        )
        return dict(loss=loss)

    def store(self, predictions: Tensor, data_samples: list[DataSample]) -> None:
        """Write ``pred_valence_arousal``, a tensor (2,) within [-1, 1]."""
        for sample, row in zip(data_samples, predictions.clamp(-1, 1), strict=True):
            sample.set_field(row, 'pred_valence_arousal')
