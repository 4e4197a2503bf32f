# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from mmcv.cnn.bricks.transformer import PatchEmbed
from mmengine.logging import print_log
from mmengine.model import BaseModule, ModuleList, PretrainedInit
from mmengine.model.weight_init import trunc_normal_
from mmpretrain.models.backbones import VisionTransformer
from mmpretrain.models.utils import build_norm_layer, resize_pos_embed, to_2tuple
from torch import Tensor

from mmfer.registry import MODELS, WEIGHT_INITIALIZERS
from mmfer.utils.components import is_component

from ..layers import ATPBlock, EncoderLayer
from ..layers.attentive_patch_pooling import check_keep_num
from ..layers.attentive_pooling import keep_count
from ..utils.checkpointing import run_checkpointed


@MODELS.register_module()
class APViT(BaseModule):
    """Vision Transformer with attentive pooling over CNN features (APViT, Figure 3).

    The CNN's last feature map becomes ``N = H * W`` tokens of ``C`` channels. Attentive Patch
    Pooling keeps the ``k`` most active ones, and a [class] token is prepended. Blocks from
    ``atp.start`` on are :class:`ATPBlock`, earlier ones :class:`EncoderLayer`. Without ``app`` and
    ``atp`` this is a plain hybrid ViT, the paper's baseline; with ``cnn=None`` it is a plain ViT.
    Tokens that do not affect the output are not computed, see :class:`ATPBlock`. With
    ``out_type='cls_token'`` the last block computes the [class] token only.

    Parameter names are those of mmpretrain's ``VisionTransformer``, so its checkpoints load.

    Args:
        cnn (dict, optional): Config of any registered backbone with a 4-D last output, such as
            ``dict(type='IRNet')``. None (default) uses a plain patch embedding.
        arch (str | dict): A name in mmpretrain's ``VisionTransformer.arch_zoo`` ('small',
            'deit-tiny', ...) or a dict with ``embed_dims``, ``num_layers``, ``num_heads`` and
            ``feedforward_channels``. Defaults to 'small', the paper's: 768 wide, 8 blocks.
        img_size (int | tuple): Height and width of the image in pixels. It determines the grid of
            the position embedding. Defaults to 112.
        patch_size (int): Side of a patch in pixels when ``cnn`` is None. Defaults to 16.
        app (dict, optional): Arguments of :class:`AttentivePatchPooling` (``keep_num``,
            ``criterion``, ``mode``, ``score_on``, ``lanet_form``). None (default) keeps all
            patches.
        atp (dict, optional): ``keep_rate``, one number for all pooling blocks or a list with one
            for each; ``start``, index of the first pooling block (default: half of the blocks);
            ``criterion``, see :class:`ATPBlock`. With ``start=0`` the list is the ``keep_rates`` of
            the released code. None (default) drops no tokens.
        out_type (str): ``'cls_token'`` (default), the normalized [class] token ``(B, C)``;
            ``'avg_featmap'``, the mean of the normalized kept patch tokens ``(B, C)`` (Table 1,
            GAP); ``'raw'``, all normalized kept tokens, [class] first, ``(B, 1 + n, C)``. Whatever
            the head reads, ``atp`` selects tokens by the attention of the [class] token.
        qkv_bias (bool): Bias of the query, key and value projections. Defaults to True; the
            ViT-small of the paper has none.
        qk_scale (float, optional): Scale of the query-key products. Defaults to
            ``head_dims ** -0.5``, 96 ** -0.5 in the paper's ViT-small, as in the release; the
            ImageNet weights that it starts from were trained with 768 ** -0.5.
        drop_rate (float): Dropout after position embedding, projections and MLPs. Defaults to 0.
        drop_path_rate (float): Stochastic depth rate of the last block; it rises linearly from 0
            in the first block. Defaults to 0.
        norm_cfg (dict): Normalization. Defaults to LayerNorm with eps 1e-6, as in the release.
        layer_cfg (dict): Further arguments for every block. Defaults to None.
        with_cp (bool): Activation checkpointing: store only the input of each block and recompute
            the rest in the backward pass. It saves memory and costs one more forward pass. A CNN
            such as ``IRNet``, which needs most of the memory, has its own ``with_cp``. Defaults to
            False.
        init_cfg (dict, optional): ``dict(type='Pretrained', checkpoint=...)`` loads transformer
            weights. The CNN's own ``init_cfg`` is applied first and remains in effect for CNN
            weights that the file lacks (Table 3). With None (default) the transformer is
            initialized as in the release: linear layers of the blocks as in :class:`EncoderLayer`;
            [class] token and patch positions normal with std 0.02; position of the [class] token 0;
            the projection of the CNN features like a PyTorch convolution. To initialize the blocks
            otherwise, set ``layer_cfg=dict(init_cfg=...)``.
    """

    OUT_TYPES = ('cls_token', 'avg_featmap', 'raw')
    ATP_KEYS = ('keep_rate', 'start', 'criterion')

    def __init__(
        self,
        cnn: dict | None = None,
        arch: str | dict = 'small',
        img_size: int | Sequence[int] = 112,
        patch_size: int = 16,
        app: dict | None = None,
        atp: dict | None = None,
        out_type: str = 'cls_token',
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        norm_cfg: dict | None = None,
        layer_cfg: dict | None = None,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if out_type not in self.OUT_TYPES:
            raise ValueError(f'APViT out_type must be one of {self.OUT_TYPES}, got {out_type!r}')
        arch = self._arch_settings(arch)
        self.embed_dims = arch['embed_dims']
        self.num_layers = arch['num_layers']
        self.img_size = to_2tuple(img_size)
        self.out_type = out_type
        self.with_cp = with_cp
        norm_cfg = norm_cfg or dict(type='LN', eps=1e-6)

        if cnn is None:
            self.cnn = None
            self.patch_embed = PatchEmbed(
                in_channels=3,
                embed_dims=self.embed_dims,
                kernel_size=patch_size,
                stride=patch_size,
                input_size=self.img_size,
            )
            self.grid = self.patch_embed.init_out_size
            feature_channels = None
        else:
            self.cnn = MODELS.build(cnn)
            feature_channels, *grid = self._probe_cnn(self.img_size)
            self.grid = tuple(grid)
            # On tokens, a 1x1 convolution is a linear layer.
            self.projection = nn.Linear(feature_channels, self.embed_dims)
        self.num_patches = self.grid[0] * self.grid[1]

        self.app = self._build_app(app, feature_channels)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.num_patches, self.embed_dims))
        self._register_load_state_dict_pre_hook(self._resize_pos_embed)
        self.drop_after_pos = nn.Dropout(drop_rate)

        atp = self._check_atp(atp)
        self.atp_start = atp.pop('start', self.num_layers)
        keep_rates = atp.pop('keep_rate', ())
        self.layers = ModuleList()
        for i, drop_path in enumerate(np.linspace(0, drop_path_rate, self.num_layers)):
            settings = dict(
                embed_dims=self.embed_dims,
                num_heads=arch['num_heads'],
                feedforward_channels=arch['feedforward_channels'],
                drop_rate=drop_rate,
                drop_path_rate=float(drop_path),
                qkv_bias=qkv_bias,
                qk_scale=qk_scale,
                norm_cfg=norm_cfg,
                **(layer_cfg or {}),
            )
            if i < self.atp_start:
                self.layers.append(EncoderLayer(**settings))
            else:
                rate = keep_rates[i - self.atp_start]
                self.layers.append(ATPBlock(**settings, **atp, keep_rate=rate))
        self.ln1 = build_norm_layer(norm_cfg, self.embed_dims)

    @staticmethod
    def _arch_settings(arch: str | dict) -> dict:
        zoo = VisionTransformer.arch_zoo
        if isinstance(arch, str):
            if arch not in zoo:
                raise ValueError(f'APViT arch must be one of {sorted(zoo)} or a dict, got {arch!r}')
            return zoo[arch]
        needed = {'embed_dims', 'num_layers', 'num_heads', 'feedforward_channels'}
        if not isinstance(arch, dict) or set(arch) != needed:
            raise ValueError(
                f'APViT arch as a dict must have the keys {sorted(needed)}, got {arch}'
            )
        if arch['embed_dims'] % arch['num_heads']:
            raise ValueError(
                f'APViT arch.embed_dims={arch["embed_dims"]} is not a multiple of '
                f'arch.num_heads={arch["num_heads"]}'
            )
        return arch

    @torch.no_grad()
    def _probe_cnn(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return channels, height and width of the CNN's last output for images of this size."""
        training = self.cnn.training
        self.cnn.eval()
        weight = next(self.cnn.parameters(), torch.zeros(()))
        features = self.cnn(weight.new_zeros(1, 3, *size))
        self.cnn.train(training)
        features = features[-1] if isinstance(features, (tuple, list)) else features
        if features.ndim != 4:
            raise ValueError(
                f'APViT needs a cnn whose last output is (B, C, H, W); '
                f'{type(self.cnn).__name__} returns {tuple(features.shape)}'
            )
        return tuple(features.shape[1:])

    def _build_app(self, app: dict | None, feature_channels: int | None) -> nn.Module | None:
        if app is None:
            return None
        app = dict(app)
        app.setdefault('type', 'AttentivePatchPooling')
        on_features = app.get('score_on') == 'features'
        if on_features and feature_channels is None:
            raise ValueError(
                "app.score_on='features' needs a cnn; with cnn=None set app.score_on='tokens'"
            )
        if app.get('criterion') == 'lanet':
            app.setdefault('in_channels', feature_channels if on_features else self.embed_dims)
        app = MODELS.build(app)
        if app.mode == 'hard':
            check_keep_num(app.keep_num, self.num_patches)
        return app

    def _check_atp(self, atp: dict | None) -> dict:
        if atp is None:
            return {}
        unknown = set(atp) - set(self.ATP_KEYS)
        if unknown:
            raise ValueError(f'keys of atp must be among {self.ATP_KEYS}, got {sorted(unknown)}')
        atp = dict(atp)
        start = atp.setdefault('start', self.num_layers // 2)
        if not 0 <= start <= self.num_layers:
            raise ValueError(f'atp.start must be 0 to {self.num_layers} (blocks), got {start}')
        rates, blocks = atp.get('keep_rate', 1.0), self.num_layers - start
        if not isinstance(rates, Sequence):
            rates = [rates] * blocks
        elif len(rates) != blocks:
            raise ValueError(
                f'atp.keep_rate as a list must have one number for each of the {blocks} blocks '
                f'from atp.start={start} on, got {len(rates)}: {list(rates)}'
            )
        atp['keep_rate'] = list(rates)
        return atp

    def init_weights(self) -> None:
        """Initialize the weights as ``init_cfg`` says, or load them."""
        settings = [self.init_cfg] if isinstance(self.init_cfg, dict) else self.init_cfg or ()
        pretrained = any(
            is_component(setting, WEIGHT_INITIALIZERS, PretrainedInit) for setting in settings
        )
        if pretrained and self.cnn is not None:
            # mmengine skips the children of a module that has loaded a file. But the CNN may have
            # its own file, or be missing from the file of its parent.
            self.cnn.init_weights()
        super().init_weights()
        if not pretrained:
            trunc_normal_(self.pos_embed[:, 1:], std=0.02)
            nn.init.zeros_(self.pos_embed[:, :1])
            trunc_normal_(self.cls_token, std=0.02)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map images ``(B, 3, H, W)`` to a tuple of one tensor; ``out_type`` sets its shape."""
        return (self._output(self._encode(x)[0]),)

    def forward_with_indices(self, x: Tensor) -> tuple[tuple[Tensor], dict[str, Tensor]]:
        """Same as :meth:`forward`, but also return the grid positions of the kept patches.

        Returns:
            tuple: The output of :meth:`forward`, and a dict. Its keys are ``'app'`` and
            ``'layers.<i>'`` for every pooling block ``i``; its values are the raster positions
            ``(B, n)`` of the patches kept after it, on the patch grid of this image size.
        """
        tokens, left = self._encode(x, return_indices=True)
        return (self._output(tokens),), left

    def grid_of(self, size: Sequence[int] | None = None) -> tuple[int, int]:
        """Return rows and columns of the patch grid for a given image size.

        Args:
            size (Sequence[int], optional): Height and width in pixels. Defaults to ``img_size``.
                For any other size, the CNN runs on a black image.
        """
        if size is None or tuple(size) == self.img_size:
            return self.grid
        if self.cnn is not None:
            return tuple(self._probe_cnn(size)[1:])
        blank = self.pos_embed.new_zeros(1, 3, *size)
        return tuple(self.patch_embed(blank)[1])

    def token_counts(self, size: Sequence[int] | None = None) -> list[int]:
        """Return the number of tokens after each block, with [class]: 161, ..., 105 for (160, .9).

        Args:
            size (Sequence[int], optional): See :meth:`grid_of`.
        """
        patches = math.prod(self.grid_of(size))
        if self.app is not None and self.app.mode == 'hard':
            patches = self.app.keep_num
        counts = []
        for i, layer in enumerate(self.layers):
            if i >= self.atp_start:
                patches = keep_count(patches, layer.keep_rate)
            counts.append(patches + 1)
        return counts

    def _encode(self, x: Tensor, return_indices: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the tokens after the last block and, on request, positions after each pooling."""
        if self.cnn is None:
            features, (tokens, grid) = None, self.patch_embed(x)
        else:
            features, grid = self._cnn_features(x)
            tokens = self.projection(features)
        pos_embed = resize_pos_embed(self.pos_embed, self.grid, grid, num_extra_tokens=1)
        class_position, patch_position = pos_embed.split((1, pos_embed.shape[1] - 1), dim=1)

        kept = {}
        num_patches = tokens.shape[1]
        if self.app is None:
            tokens = tokens + patch_position
        elif return_indices:
            tokens, kept['app'] = self.app(tokens, patch_position, features, True)
        else:
            tokens = self.app(tokens, patch_position, features)
        # Not len(x): an exporter would trace it as a constant batch size.
        cls_token = (self.cls_token + class_position).expand(x.shape[0], -1, -1)
        tokens = self.drop_after_pos(torch.cat((cls_token, tokens), dim=1))

        for i, layer in enumerate(self.layers):
            class_only = self.out_type == 'cls_token' and i == self.num_layers - 1
            if return_indices and i >= self.atp_start:
                tokens, indices = self._run(layer, tokens, class_only, True)
                kept[f'layers.{i}'] = None if indices is None else indices[:, 1:] - 1
            else:
                tokens = self._run(layer, tokens, class_only)
        if not return_indices:
            return tokens, {}
        position = torch.arange(num_patches, device=x.device).expand(x.shape[0], -1)
        left = {}
        for name, indices in kept.items():
            if indices is not None:
                position = position.gather(1, indices)
            left[name] = position
        return tokens, left

    def _run(self, layer: nn.Module, *inputs: Any) -> Any:
        # No keywords: MMEngine's ``activation_checkpointing`` does not pass them on.
        return run_checkpointed(layer, *inputs) if self.with_cp else layer(*inputs)

    def _cnn_features(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the CNN's output as patches ``(B, N, F)``, and the grid ``(rows, columns)``."""
        features = self.cnn(x)
        features = features[-1] if isinstance(features, (tuple, list)) else features
        return features.flatten(2).transpose(1, 2), tuple(features.shape[2:])

    def _output(self, tokens: Tensor) -> Tensor:
        if self.out_type == 'cls_token':
            return self.ln1(tokens[:, 0])
        tokens = self.ln1(tokens)
        return tokens[:, 1:].mean(dim=1) if self.out_type == 'avg_featmap' else tokens

    def _resize_pos_embed(self, state_dict: dict, prefix: str, *_) -> None:
        """Resize the position embedding of a checkpoint with another (square) grid to ours."""
        name = f'{prefix}pos_embed'
        given = state_dict.get(name)
        if given is None or given.shape == self.pos_embed.shape:
            return
        side = int((given.shape[1] - 1) ** 0.5)
        if given.shape[2] != self.embed_dims or side * side != given.shape[1] - 1:
            return  # cannot be resized: loading reports the shapes
        print_log(f'{name}: resized from {side}x{side} to {self.grid[0]}x{self.grid[1]}', 'current')
        state_dict[name] = resize_pos_embed(given, (side, side), self.grid, num_extra_tokens=1)
