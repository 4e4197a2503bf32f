# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

from mmpretrain.models.heads import StackedLinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.registry import MODELS

from ..layers.feature_tokens import pool_feature
from .mlp import check_widths, last_features, linear_blocks, require_labels


@MODELS.register_module()
class MLPClsHead(StackedLinearClsHead):
    """Light MLP for classification: expressions, or the people of the training set.

    This is mmpretrain's ``StackedLinearClsHead`` with two additions: it works without a hidden
    layer, and it can return the features that it classifies.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width ``C`` of the features.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer. Defaults to (256,).
        with_feat (bool): Whether predictions contain the input of the head ``(C,)`` as ``feat``,
            for :class:`~mmfer.evaluation.FaceVerification`. A feature map is averaged over all
            positions. Defaults to False.
        **kwargs: ``dropout_rate``, ``norm_cfg`` and ``act_cfg`` (ReLU) of the hidden layers;
            ``loss`` (cross-entropy), ``topk``, ``cal_acc`` and ``init_cfg`` of mmpretrain's
            classification heads.

    Raises:
        ValueError: A width or ``num_classes`` is not positive.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        hidden_channels: Sequence[int] = (256,),
        with_feat: bool = False,
        **kwargs,
    ):
        hidden_channels = check_widths(self, in_channels, hidden_channels)
        super().__init__(num_classes, in_channels, mid_channels=hidden_channels, **kwargs)
        self.with_feat = with_feat

    def _init_layers(self) -> None:
        self.layers = linear_blocks(
            self.in_channels,
            self.mid_channels,
            self.num_classes,
            self.dropout_rate,
            self.norm_cfg,
            self.act_cfg,
        )

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Map the last of ``feats``, ``(B, C)`` or a map, to the input of the last layer."""
        return super().pre_logits((last_features(self, feats, self.in_channels),))

    def _get_loss(self, cls_score: Tensor, data_samples: list[DataSample], **kwargs) -> dict:
        if 'gt_score' not in data_samples[0]:  # Mixup and CutMix set gt_score instead of gt_label
            hint = 'the dataset must give every sample a gt_label (its argument task selects it)'
            require_labels(self, data_samples, 'gt_label', hint)
        return super()._get_loss(cls_score, data_samples, **kwargs)

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Predict ``pred_label``, ``pred_score`` and, with ``with_feat``, ``feat``."""
        predictions = super().predict(feats, data_samples)
        if self.with_feat:
            for sample, feat in zip(predictions, pool_feature(feats), strict=True):
                sample.set_field(feat, 'feat')
        return predictions
