# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from mmfer.registry import METRICS

from ..functional.ages import cumulative_score
from .sample_fields import read_field


@METRICS.register_module()
class AgeError(BaseMetric):
    """Error of predicted ages.

    Results:

    ==================  ===========================================================================
    ``age/mae``         mean absolute error in years; lower is better
    ``age/cs@<theta>``  cumulative score: share of errors of at most theta years, in percent
    ==================  ===========================================================================

    MMEngine cannot infer from the names what is better: ``save_best='age/mae'`` needs
    ``rule='less'``, and ``'age/cs@5'`` needs ``rule='greater'``.

    Reads ``gt_age`` and ``pred_age``, both in years.

    Args:
        theta (float | Sequence[float]): One or several tolerances in years, >= 0. Defaults to 5.
        collect_device (str): 'cpu' or 'gpu', how processes exchange results. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the result names. Defaults to None, 'age'.

    Raises:
        ValueError: ``theta`` is negative, or a sample lacks a field.
    """

    default_prefix = 'age'

    def __init__(
        self,
        theta: float | Sequence[float] = 5,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.thetas = (theta,) if isinstance(theta, (int, float)) else tuple(theta)
        if not self.thetas or not min(self.thetas) >= 0:
            raise ValueError(f'AgeError: theta must be one or several years >= 0, got {theta!r}')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store the absolute error of each sample."""
        for sample in data_samples:
            error = read_field(self, sample, 'pred_age') - read_field(self, sample, 'gt_age')
            self.results.append(abs(error.item()))

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        scores = {f'cs@{theta:g}': cumulative_score(results, theta) for theta in self.thetas}
        return dict(mae=float(np.mean(results)), **scores)
