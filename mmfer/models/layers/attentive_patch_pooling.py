# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.model import BaseModule
from torch import Tensor

from mmfer.registry import MODELS
from mmfer.utils.checks import check_count

from .attentive_pooling import PATCH_CRITERIA, patch_scores, soft_map, take_tokens, top_indices
from .lanet import LANet, check_lanet_form


def check_keep_num(keep_num: int, num_patches: int | None = None) -> None:
    """Refuse what is no number of patches.

    Args:
        keep_num (int): ``k``.
        num_patches (int, optional): ``N``, the patches of an image, if known.

    Raises:
        ValueError: ``keep_num`` is no whole number, less than 1, or more than ``num_patches``.
    """
    check_count('app.keep_num', keep_num)
    if num_patches is not None and keep_num > num_patches:
        raise ValueError(
            f'app.keep_num={keep_num} is more than the {num_patches} patches there are: set '
            f'model.backbone.app.keep_num to 1 to {num_patches}, unless an image is smaller than '
            'model.backbone.img_size'
        )


@MODELS.register_module(name=['AttentivePatchPooling', 'APP'])
class AttentivePatchPooling(BaseModule):
    """Attentive Patch Pooling: only the most active patches go on (APViT, Section 3.2).

    Without a learned criterion it has no parameters, and with every patch kept it is the identity.

    Args:
        keep_num (int): ``k``, the number of patches that are kept, at least 1.
        criterion (str): How a patch is scored: ``'abs'`` (default), ``'sum'``, ``'max'`` or
            ``'lanet'`` of Table 5; ``'square'``, ``'max_abs'`` or ``'random'``, of which no result
            is published. See :func:`patch_scores`. ``'lanet'`` is learned: tokens are also
            multiplied by its map, which is how it gets a gradient.
        mode (str): ``'hard'`` (default) drops the other patches. ``'soft'`` keeps all and
            multiplies them by the map scaled to [0, 1] (Table 6); ``keep_num`` is then not used.
        score_on (str): ``'tokens'`` (default) scores the projected tokens before the position
            embedding is added, as the released model does. ``'features'`` scores the CNN's maps,
            as the paper writes.
        in_channels (int, optional): Channels of what is scored. Only LANet needs it; ``APViT``
            fills it in.
        lanet_form (str): ``'release'`` (default), with which Table 5 was made: BatchNorm after both
            convolutions, and a map in (0, 1). ``'paper'``, what Sec. 3.2 describes: no BatchNorm
            and no sigmoid. Tokens of a pre-trained net suffer from such unbounded multipliers.
    """

    CRITERIA = (*PATCH_CRITERIA, 'lanet')
    MODES = ('hard', 'soft')
    SOURCES = ('tokens', 'features')

    def __init__(
        self,
        keep_num: int = 160,
        criterion: str = 'abs',
        mode: str = 'hard',
        score_on: str = 'tokens',
        in_channels: int | None = None,
        lanet_form: str = 'release',
    ):
        super().__init__()
        check_keep_num(keep_num)
        for key, value, allowed in (
            ('criterion', criterion, self.CRITERIA),
            ('mode', mode, self.MODES),
            ('score_on', score_on, self.SOURCES),
        ):
            if value not in allowed:
                raise ValueError(f'app.{key} must be one of {allowed}, got {value!r}')
        check_lanet_form('app.lanet_form', lanet_form)
        if criterion == 'lanet' and in_channels is None:
            raise ValueError("app.criterion='lanet' needs app.in_channels")
        self.keep_num = keep_num
        self.criterion = criterion
        self.mode = mode
        self.score_on = score_on
        self.lanet = None
        if criterion == 'lanet':
            released = lanet_form == 'release'
            self.lanet = LANet(in_channels, norm=released, sigmoid=released)

    def score(self, x: Tensor) -> Tensor:
        """Score patches ``(B, N, C)``: ``(B, N)``, larger is more informative."""
        return patch_scores(x, self.criterion) if self.lanet is None else self.lanet(x)

    def weigh(self, x: Tensor, scores: Tensor) -> Tensor:
        """Multiply tokens ``(B, N, C)`` by the map ``(B, N)`` where the criterion or mode asks."""
        if self.mode == 'soft':
            return x * soft_map(scores).unsqueeze(-1)
        return x if self.lanet is None else x * scores.unsqueeze(-1)

    def select(self, scores: Tensor) -> Tensor | None:
        """Indices ``(B, keep_num)`` of the patches to keep; None where all of them stay."""
        num_patches = scores.shape[1]
        if self.mode == 'soft' or self.keep_num == num_patches:
            return None
        check_keep_num(self.keep_num, num_patches)
        return top_indices(scores, self.keep_num)

    def forward(
        self,
        x: Tensor,
        position: Tensor | None = None,
        features: Tensor | None = None,
        return_indices: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """Score, weigh and pool tokens.

        Args:
            x (Tensor): Tokens ``(B, N, C)``, before the position embedding.
            position (Tensor, optional): Position embedding ``(1, N, C)``, added to the tokens after
                they are scored.
            features (Tensor, optional): What ``score_on='features'`` scores, ``(B, N, F)``.
            return_indices (bool): Return the indices as well. Defaults to False.

        Returns:
            Tensor | tuple: Tokens ``(B, keep_num, C)``, in soft mode ``(B, N, C)``; with
            ``return_indices`` a tuple of them and the kept indices ``(B, keep_num)``, which are
            None where all patches stay.
        """
        if self.score_on == 'features' and features is None:
            raise ValueError("app.score_on='features' needs the features that the tokens come from")
        scores = self.score(features if self.score_on == 'features' else x)
        x = self.weigh(x, scores)
        if position is not None:
            x = x + position
        indices = self.select(scores)
        if indices is not None:
            x = take_tokens(x, indices)
        return (x, indices) if return_indices else x

    def extra_repr(self) -> str:
        return (
            f'keep_num={self.keep_num}, criterion={self.criterion!r}, mode={self.mode!r}, '
            f'score_on={self.score_on!r}'
        )
