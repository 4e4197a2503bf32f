# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np


def cumulative_score(errors: np.ndarray, theta: float) -> float:
    """Share, in percent, of absolute errors ``(N,)`` that are at most ``theta`` years."""
    return 100 * float(np.mean(np.asarray(errors) <= theta))
