# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.model import BaseModule
from torch import Tensor

from mmfer.registry import MODELS
from mmfer.utils.checks import check_count

from .attentive_pooling import PATCH_CRITERIA, patch_scores, soft_map, take_tokens, top_indices
from .lanet import LANet, check_lanet_form


def check_keep_num(keep_num: int, num_patches: int | None = None) -> None:
    """Check that ``keep_num`` is a valid number of patches.

    Args:
        keep_num (int): ``k``.
        num_patches (int, optional): ``N``, patches per image. Defaults to None, unknown.

    Raises:
        ValueError: ``keep_num`` is not an integer, less than 1, or more than ``num_patches``.
    """
    check_count('app.keep_num', keep_num)
    if num_patches is not None and keep_num > num_patches:
        raise ValueError(
            f'app.keep_num={keep_num} is more than the {num_patches} patches of an image: set '
            f'model.backbone.app.keep_num to {num_patches} or less. If the image is smaller than '
            'model.backbone.img_size, use images of that size'
        )


@MODELS.register_module(name=['AttentivePatchPooling', 'APP'])
class AttentivePatchPooling(BaseModule):
    """Attentive Patch Pooling: keep only the most active patches (APViT, Section 3.2).

    Without a learned criterion it has no parameters; in hard mode, keeping all patches then changes
    nothing.

    Args:
        keep_num (int): ``k``, the number of patches to keep, at least 1. Defaults to 160.
        criterion (str): How patches are scored: ``'abs'`` (default), ``'sum'``, ``'max'`` or
            ``'lanet'`` as in Table 5, or ``'square'``, ``'max_abs'`` or ``'random'``, which have no
            published results. See :func:`patch_scores`. ``'lanet'`` is learned: tokens are also
            multiplied by its map, so that it gets a gradient.
        mode (str): ``'hard'`` (default) drops the other patches. ``'soft'`` keeps all patches and
            multiplies them by the map scaled to [0, 1] (Table 6); ``keep_num`` is then ignored.
        score_on (str): ``'tokens'`` (default) scores the projected tokens before the position
            embedding is added, as in the released model. ``'features'`` scores the CNN features, as
            in the paper.
        in_channels (int, optional): Channels of the scored tensor. Only LANet needs it; ``APViT``
            sets it. Defaults to None.
        lanet_form (str): ``'release'`` (default), the form behind Table 5: BatchNorm after both
            convolutions, and a map in (0, 1). ``'paper'``, as described in Sec. 3.2: no BatchNorm
            and no sigmoid. Its unbounded factors harm the tokens of a pre-trained net.
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
        """Return scores ``(B, N)`` of patches ``(B, N, C)``; larger is more informative."""
        return patch_scores(x, self.criterion) if self.lanet is None else self.lanet(x)

    def weigh(self, x: Tensor, scores: Tensor) -> Tensor:
        """Multiply tokens ``(B, N, C)`` by ``scores`` ``(B, N)``, in soft mode or with LANet."""
        if self.mode == 'soft':
            return x * soft_map(scores).unsqueeze(-1)
        return x if self.lanet is None else x * scores.unsqueeze(-1)

    def select(self, scores: Tensor) -> Tensor | None:
        """Return the indices ``(B, keep_num)`` of the kept patches, or None if all are kept."""
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
        """Score, weight and pool tokens.

        Args:
            x (Tensor): Tokens ``(B, N, C)``, before the position embedding.
            position (Tensor, optional): Position embedding ``(1, N, C)``, added to the tokens after
                they are scored. Defaults to None.
            features (Tensor, optional): CNN features ``(B, N, F)``, for ``score_on='features'``.
                Defaults to None.
            return_indices (bool): Return the indices as well. Defaults to False.

        Returns:
            Tensor | tuple: Tokens ``(B, keep_num, C)``, in soft mode ``(B, N, C)``; with
            ``return_indices`` a tuple of the tokens and the kept indices ``(B, keep_num)``. The
            indices are None if all patches are kept.
        """
        if self.score_on == 'features' and features is None:
            raise ValueError("app.score_on='features' needs the features of the tokens, got None")
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
