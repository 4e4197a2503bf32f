# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw the priors to keep in a training step of the KT-Adapter. ``B`` samples, ``P`` priors.

Every function returns bool ``(B, P)``, True for kept priors.
"""

import torch
from torch import Tensor

#: Ways to draw the mask; 'independent' is our reading of the paper (Sec. 3.3).
DROP_SCHEMES = ('independent', 'together', 'count')


def draw_kept(num_samples: int, num_priors: int, threshold: float, device=None) -> Tensor:
    """Keep each prior of each sample if its own ``u ~ U(0, 1)`` is above ``threshold``."""
    return torch.rand(num_samples, num_priors, device=device) > threshold


def draw_kept_together(num_samples: int, num_priors: int, threshold: float, device=None) -> Tensor:
    """Keep all priors of a sample or none, with one ``u ~ U(0, 1)`` per sample."""
    return draw_kept(num_samples, 1, threshold, device).expand(-1, num_priors)


def draw_kept_count(num_samples: int, num_priors: int, num_kept: int, device=None) -> Tensor:
    """Keep ``num_kept`` random priors of each sample, or all if there are fewer."""
    ranks = torch.rand(num_samples, num_priors, device=device).argsort(1).argsort(1)
    return ranks < num_kept
