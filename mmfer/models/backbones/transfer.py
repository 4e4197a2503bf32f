# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from torch import Tensor

from mmfer.registry import MODELS

from ..layers.attention_dropping import HeadDroppingLinear
from ..layers.local_attention import LocalAttention
from .apvit import APViT


@MODELS.register_module()
class TransFER(APViT):
    """TransFER, the baseline of APViT (Xue, Wang and Guo, ICCV 2021).

    A CNN's features are multiplied by the maximum over the attention maps of local branches
    (:class:`LocalAttention`), projected to tokens and go through a ViT. In training,
    *multi-attention dropping* (MAD) zeroes the map of one random branch and *multi-head
    self-attention dropping* (MSAD) the output of one random head in every block. Nothing is dropped
    in inference, and all patches and tokens stay: with IR-50 and ViT-small it costs 15.30 GFLOPs.

    Everything but the local branches and the droppings is :class:`APViT` without pooling, names of
    parameters included, so the weights that APViT starts from fit here too.

    Note:
        Read into the paper here: both droppings are drawn for each sample, MSAD for each block
        anew; a head is dropped before the output projection; nothing is scaled up for what was
        dropped. The public code zeroes a token where the paper drops a head; this is the paper's.

    Args:
        cnn (dict): Config of any registered backbone with a 4-D last output of at least 16
            channels, such as ``dict(type='IRNet')``.
        num_branches (int): Local branches, at least 1. Defaults to 2.
        mad_rate (float): Probability, 0 to 1, that a sample loses the map of one branch. It has
            to be 0 with one branch. Defaults to 0.6.
        msad_rate (float): Probability, 0 to 1, that a sample loses one head in a block. Defaults
            to 0.3.
        lanet_form (str): ``'release'`` (default), local branches with BatchNorm as in the released
            code, or ``'paper'``, without. Both end in a sigmoid.
        **kwargs: Further arguments of :class:`APViT`. Its ``app`` and ``atp`` work here as well;
            then it is no longer the published TransFER.

    Raises:
        ValueError: There is no ``cnn``, or a rate or a number of branches is out of range.
    """

    def __init__(
        self,
        cnn: dict,
        num_branches: int = 2,
        mad_rate: float = 0.6,
        msad_rate: float = 0.3,
        lanet_form: str = 'release',
        **kwargs,
    ):
        if cnn is None:
            raise ValueError(
                'TransFER attends to the features of a CNN: model.backbone.cnn must be the config '
                "of a backbone, such as dict(type='IRNet'), got None"
            )
        super().__init__(cnn, **kwargs)
        self.local = LocalAttention(self.projection.in_features, num_branches, mad_rate, lanet_form)
        for layer in self.layers:
            attn = layer.attn
            attn.proj = HeadDroppingLinear(
                attn.embed_dims, attn.num_heads, msad_rate, bias=attn.proj.bias is not None
            )

    def _cnn_features(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        features, grid = super()._cnn_features(x)
        return self.local(features), grid
