# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from torch import Tensor

from mmfer.registry import MODELS

from ..layers.attention_dropping import HeadDroppingLinear
from ..layers.local_attention import LocalAttention
from .apvit import APViT


@MODELS.register_module()
class TransFER(APViT):
    """TransFER, the baseline of APViT (Xue, Wang and Guo, ICCV 2021).

    The CNN features are multiplied by the maximum over the attention maps of local branches
    (:class:`LocalAttention`) and projected to tokens for a ViT. In training, *multi-attention
    dropping* (MAD) zeroes the map of one random branch, and *multi-head self-attention dropping*
    (MSAD) zeroes the output of one random head in every block. Inference drops nothing, neither
    maps and heads nor patches and tokens; with IR-50 and ViT-small it costs 15.30 GFLOPs.

    Besides the local branches and the two droppings, this is :class:`APViT` without pooling.
    Parameter names are the same, so pre-trained weights for APViT load here too.

    Note:
        Our reading of the paper: both droppings are drawn per sample, and MSAD also per block; a
        head is dropped before the output projection; what remains is not rescaled. The public code
        zeroes a token where the paper drops a head; we follow the paper.

    Args:
        cnn (dict): Config of any registered backbone with a 4-D last output of at least 16
            channels, such as ``dict(type='IRNet')``.
        num_branches (int): Number of local branches, at least 1. Defaults to 2.
        mad_rate (float): Probability, 0 to 1, that the map of one branch is dropped for a sample.
            Must be 0 if there is only one branch. Defaults to 0.6.
        msad_rate (float): Probability, 0 to 1, that one head of a block is dropped for a sample.
            Defaults to 0.3.
        lanet_form (str): ``'release'`` (default), local branches with BatchNorm as in the released
            code, or ``'paper'``, without. Both end in a sigmoid.
        **kwargs: Further arguments of :class:`APViT`. ``app`` and ``atp`` work as well, but are not
            part of the published TransFER.

    Raises:
        ValueError: ``cnn`` is None, or a rate or the number of branches is out of range.
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
