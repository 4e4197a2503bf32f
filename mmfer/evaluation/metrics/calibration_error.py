# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric

from mmfer.registry import METRICS

from ..functional.calibration import BINS, expected_calibration_error
from .sample_fields import read_field


@METRICS.register_module()
class CalibrationError(BaseMetric):
    """Gap between the confidence and the accuracy of a classifier.

    Result, in percent: ``calibration/ece``, the expected calibration error over bins of equal
    width; lower is better, so ``save_best`` needs ``rule='less'``. Reads ``pred_score`` and
    ``gt_label``.

    Args:
        bins (int): Number of bins. Defaults to 15.
        collect_device (str): 'cpu' or 'gpu', how processes exchange results. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the result names. Defaults to None, 'calibration'.

    Raises:
        ValueError: ``bins`` is not positive, or a sample lacks a field.
    """

    default_prefix = 'calibration'

    def __init__(self, bins: int = BINS, collect_device: str = 'cpu', prefix: str | None = None):
        super().__init__(collect_device=collect_device, prefix=prefix)
        if bins < 1:
            raise ValueError(f'CalibrationError: bins must be 1 or more, not {bins!r}')
        self.bins = bins

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store the scores and the true class of each sample."""
        for sample in data_samples:
            score = torch.as_tensor(read_field(self, sample, 'pred_score'))
            label = torch.as_tensor(read_field(self, sample, 'gt_label')).long()
            self.results.append(dict(pred_score=score, gt_label=label))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        scores = torch.stack([result['pred_score'] for result in results])
        labels = torch.cat([result['gt_label'] for result in results])
        return dict(ece=expected_calibration_error(scores, labels, self.bins))
