# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch
from mmengine.model import Sequential
from mmpretrain.evaluation.metrics import Accuracy
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmfer.registry import MODELS
from mmfer.utils.checks import check_count

from .mlp import last_features, require_labels, stack_targets


@MODELS.register_module()
class ExpressionAUHead(LinearClsHead):
    """Head with one classifier for expressions and one for facial action units.

    Both are linear layers on the same features. Action units can have a hidden layer, and valence
    and arousal can be a third task with their own head (``valence_arousal``).

    The targets are ``gt_label`` and ``gt_au`` of the data samples. A label of -1 is missing, in
    ``gt_au`` also for single units. If ``M`` samples of a batch have an expression label and ``K``
    (sample, unit) pairs have a label,

    ``loss_expression = 1/M * sum of the cross-entropies of the M samples``

    ``loss_action_units = 1/K * sum of the binary cross-entropies of the K pairs``

    each times the ``loss_weight`` of its loss. Missing labels count neither in the sum nor in the
    divisor. If a batch has no label of a task, the loss of this task is 0. It still has a gradient
    (of zeros), because distributed training needs a gradient for every parameter.

    This is mmpretrain's ``LinearClsHead`` with a second layer. Expressions are predicted as
    ``pred_label`` and ``pred_score`` of the sample itself, so metrics, hooks and tools for
    classification can read them, and weights of an expression model load. mmpretrain's
    ``MultiTaskHead`` instead has a separate sample for every task, and its zero loss leaves
    parameters without gradient.

    Note:
        The APViT paper (section 4.1) uses the head of another paper without describing it, but
        gives the weights of the losses, 10 and 1. The released code has a head with two
        classifiers, each a linear layer with or without a hidden layer (BatchNorm, ReLU). It lacks
        the config that says which of them was trained for the paper. In distributed training, each
        process divides by its own M and K, as mmpretrain's heads divide by their own batch.

    Args:
        num_classes (int): Number of expressions.
        in_channels (int): Width ``C`` of the features.
        num_units (int): Number of action units ``A``; 0 for expressions only. Defaults to 12, as in
            Aff-Wild2.
        au_hidden_channels (int, optional): Width of a hidden layer for the action units: linear,
            BatchNorm, ReLU. BatchNorm uses all samples of a batch, labeled or not. Defaults to
            None, no hidden layer.
        loss (dict): Loss of the expressions: any mmpretrain loss with ``weight`` and
            ``avg_factor``. Defaults to cross-entropy with ``loss_weight`` 1.
        au_loss (dict): Loss of the action units: any mmpretrain loss of logits and 0/1 targets,
            both (B, A), with ``reduction_override='none'``. Defaults to binary cross-entropy with
            ``loss_weight`` 1.
        valence_arousal (dict, optional): Config of a :class:`ValenceArousalHead` on the same
            features, such as ``dict(type='ValenceArousalHead', loss=dict(type='CCCLoss'))``. Its
            loss is ``loss_valence_arousal``, its prediction ``pred_valence_arousal``. Defaults to
            None.
        **kwargs: Arguments of ``LinearClsHead``: ``topk``, ``cal_acc`` (over labeled samples) and
            ``init_cfg`` (for the linear layers, except the hidden one).

    Raises:
        ValueError: ``num_classes`` or ``au_hidden_channels`` is not positive, or ``num_units`` is
            negative.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_units: int = 12,
        au_hidden_channels: int | None = None,
        loss: dict = {'type': 'CrossEntropyLoss', 'loss_weight': 1.0},  # noqa: B006
        au_loss: dict = {'type': 'CrossEntropyLoss', 'use_sigmoid': True},  # noqa: B006
        valence_arousal: dict | None = None,
        **kwargs,
    ):
        super().__init__(num_classes, in_channels, loss=loss, **kwargs)
        self.num_units = check_count('ExpressionAUHead: num_units', num_units, 0)
        self.hidden_au = nn.Identity()
        width = in_channels
        if num_units and au_hidden_channels is not None:
            width = check_count('ExpressionAUHead: au_hidden_channels', au_hidden_channels)
            # PyTorch's default. A hidden layer that starts near zero, like a classifier, would not
            # learn.
            bound = in_channels**-0.5
            self.hidden_au = Sequential(
                nn.Linear(in_channels, width),
                nn.BatchNorm1d(width),
                nn.ReLU(inplace=True),
                init_cfg=dict(type='Uniform', layer='Linear', a=-bound, b=bound),
            )
        self.fc_au = nn.Linear(width, num_units) if num_units else None
        self.au_loss_module = MODELS.build(au_loss)
        self.valence_arousal = None
        if valence_arousal is not None:
            self.valence_arousal = MODELS.build(
                valence_arousal, default_args=dict(in_channels=in_channels)
            )

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Return the last of ``feats``, (B, C), the input of both classifiers."""
        return last_features(self, feats, self.in_channels)

    def au_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Return the logits (B, A) of the action units."""
        return self.fc_au(self.hidden_au(self.pre_logits(feats)))

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: Sequence[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        """Compute the loss of every task.

        Args:
            feats (tuple[Tensor, ...]): Output of the neck; the last item is (B, C).
            data_samples (Sequence[DataSample]): Each with ``gt_label`` and, if the head learns
                these tasks, ``gt_au`` and ``gt_valence_arousal``.
            **kwargs: Arguments of the expression loss.

        Returns:
            dict: ``loss_expression``, ``loss_action_units``, ``loss_valence_arousal`` and, with
            ``cal_acc``, the accuracies.

        Raises:
            ValueError: A sample lacks a field, or its ``gt_au`` has another shape.
        """
        losses = self._expression_loss(self(feats), data_samples, **kwargs)
        if self.num_units:
            losses['loss_action_units'] = self._au_loss(self.au_logits(feats), data_samples)
        if self.valence_arousal is not None:
            (loss,) = self.valence_arousal.loss(feats, data_samples).values()
            losses['loss_valence_arousal'] = loss
        return losses

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Predict ``pred_label`` and ``pred_score``, and the other tasks if the head has them.

        These are ``pred_au``, the probabilities of the units (A,), and ``pred_valence_arousal``
        (2,).
        """
        predictions = super().predict(feats, data_samples)
        if self.num_units:
            probabilities = self.au_logits(feats).sigmoid()
            for sample, row in zip(predictions, probabilities, strict=True):
                sample.set_field(row, 'pred_au')
        if self.valence_arousal is not None:
            self.valence_arousal.predict(feats, predictions)
        return predictions

    def _expression_loss(
        self, logits: Tensor, data_samples: Sequence[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        hint = 'the dataset must give every sample a gt_label, -1 if it is unlabeled'
        require_labels(self, data_samples, 'gt_label', hint)
        labels = torch.cat([sample.gt_label for sample in data_samples])
        known = labels >= 0
        # Weights, not indexing: the graph does not depend on the labels.
        loss = self.loss_module(
            logits,
            labels.clamp(min=0),
            weight=known.float(),
            avg_factor=known.sum().clamp(min=1),
            **kwargs,
        )
        losses = dict(loss_expression=loss)
        if self.cal_acc and known.any():
            accuracies = Accuracy.calculate(logits[known], labels[known], topk=self.topk)
            names = (f'accuracy_top-{k}' for k in self.topk)
            losses.update(zip(names, accuracies, strict=True))
        return losses

    def _au_loss(self, logits: Tensor, data_samples: Sequence[DataSample]) -> Tensor:
        units = stack_targets(self, data_samples, 'gt_au', logits.float())
        known = units >= 0
        each = self.au_loss_module(logits, units.clamp(min=0), reduction_override='none')
        return (each * known).sum() / known.sum().clamp(min=1)
