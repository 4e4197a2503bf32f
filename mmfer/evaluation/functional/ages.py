# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np


def cumulative_score(errors: np.ndarray, theta: float) -> float:
    """Return the share of absolute errors ``(N,)`` of at most ``theta`` years, in percent."""
    return 100 * float(np.mean(np.asarray(errors) <= theta))
