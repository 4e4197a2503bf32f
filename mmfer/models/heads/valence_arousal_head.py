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
    """A linear layer, or a light MLP, that predicts how pleasant and how excited a face looks.

    Trained on ``gt_valence_arousal`` (2,) of the data samples, both in [-1, 1], it predicts
    ``pred_valence_arousal``, a tensor (2,), and says (0, 0) at first. A sample with any other
    number, such as NaN, has no label (-2 in AffectNet's files, -5 in Aff-Wild2's) and takes no
    part: it changes neither loss nor gradient. A batch without any label has a loss of zero.

    Args:
        in_channels (int): Width ``C`` of the features.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer. Defaults to ().
        loss (dict): ``CCCLoss``, ``MSELoss``, ``L1Loss`` or another one that takes ``weight`` and
            ``avg_factor``. Defaults to ``dict(type='CCCLoss')``.
        activation (str): How outputs come into [-1, 1]: by ``'tanh'``, or ``'linear'``: as they
            are, and cut off in predictions only, so that the gradient never vanishes. Defaults to
            'tanh'.
        **kwargs: ``dropout_rate``, ``norm_cfg``, ``act_cfg`` and ``init_cfg`` of
            :class:`RegressionHead`.

    Raises:
        ValueError: ``activation`` is another word, or a width is not positive.
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
        """Compare predictions with the labels of the samples that have any.

        Raises:
            ValueError: A sample lacks ``gt_valence_arousal``, or it has another shape.
        """
        predictions = self(feats)
        targets = stack_targets(self, data_samples, self.target_key, predictions)
        known = (targets.abs() <= 1).all(dim=1)  # NaN is not
        # Weights instead of a selection: the graph is the same whatever the labels are.
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
