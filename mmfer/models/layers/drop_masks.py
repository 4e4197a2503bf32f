# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Which priors stay in a training step of the KT-Adapter. ``B`` samples, ``P`` priors.

Every function returns bool ``(B, P)``, True where the prior stays.
"""

import torch
from torch import Tensor

#: Ways to draw the mask; 'independent' is how the paper (Sec. 3.3) is read here.
DROP_SCHEMES = ('independent', 'together', 'count')


def draw_kept(num_samples: int, num_priors: int, threshold: float, device=None) -> Tensor:
    """Keep each prior of each sample where its own ``u ~ U(0, 1)`` is above ``threshold``."""
    return torch.rand(num_samples, num_priors, device=device) > threshold


def draw_kept_together(num_samples: int, num_priors: int, threshold: float, device=None) -> Tensor:
    """Keep all priors of a sample, or none: one ``u ~ U(0, 1)`` a sample."""
    return draw_kept(num_samples, 1, threshold, device).expand(-1, num_priors)


def draw_kept_count(num_samples: int, num_priors: int, num_kept: int, device=None) -> Tensor:
    """Keep ``num_kept`` priors of each sample, all choices alike; all where there are no more."""
    ranks = torch.rand(num_samples, num_priors, device=device).argsort(1).argsort(1)
    return ranks < num_kept
