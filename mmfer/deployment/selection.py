# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How clear a model's choices of tokens are."""

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

#: A choice is open where rounding may turn it: the last that is kept is no more than this above the
#: first that is dropped, as a share of the largest score. Kernels differ by some 1e-6 of that.
OPEN_MARGIN = 1e-5


class SelectionMargins(TorchFunctionMode):
    """Notes how clearly every ``topk`` was decided; a context manager.

    Two correct kernels differ in the last bits of a score. Where the k-th and the next score are as
    near as that, or equal as those of two patches of a flat background, they keep different tokens,
    and the outputs differ by far more than rounding. Neither is wrong.

    Example:
        >>> with SelectionMargins() as margins:
        ...     model(pictures)
        >>> margins.smallest(len(pictures)) < OPEN_MARGIN
    """

    def __init__(self):
        super().__init__()
        self._margins: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (torch.topk, torch.Tensor.topk):
            self._note(*args, **kwargs)
        return func(*args, **kwargs)

    def _note(self, scores: Tensor, k: int, *_, **__) -> None:
        if k >= scores.shape[-1]:
            return
        best = scores.detach().float().topk(k + 1, dim=-1).values
        scale = scores.detach().float().abs().amax(dim=-1).clamp_min(1e-30)
        self._margins.append((best[:, k - 1] - best[:, k]) / scale)

    def smallest(self, batch: int) -> Tensor:
        """The smallest margin ``(batch,)`` of each picture; infinite where nothing is chosen."""
        if not self._margins:
            return torch.full((batch,), torch.inf)
        return torch.stack(self._margins).amin(dim=0).cpu()
