# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from mmfer.registry import METRICS

from .sample_fields import check_names, name_of, read_field


@METRICS.register_module()
class ActionUnitF1(BaseMetric):
    """F1 of each facial action unit, and their mean.

    A unit is predicted to be active if its probability reaches ``threshold``.
    ``F1 = 2 TP / (2 TP + FP + FN)`` (scikit-learn's ``f1_score``) over the samples that are labeled
    for this unit (``gt_au`` 0 or 1, not -1). For 0 / 0, a unit that never occurs and is never
    predicted, F1 is 0.

    Results, in percent: ``au_f1/mean``, the metric of the ABAW competitions, and ``au_f1/<unit>``
    for each unit. A unit without labeled samples is omitted, also from the mean.

    Reads ``gt_au`` and ``pred_au``, both (A,).

    Args:
        threshold (float): Threshold of the probability, in (0, 1). Defaults to 0.5.
        collect_device (str): 'cpu' or 'gpu', how processes exchange results. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the result names. Defaults to None, 'au_f1'.

    Raises:
        ValueError: ``threshold`` is out of its range, a sample lacks a field, shapes differ, or no
            sample is labeled.
    """

    default_prefix = 'au_f1'

    def __init__(
        self,
        threshold: float = 0.5,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not 0 < threshold < 1:
            raise ValueError(f'ActionUnitF1: threshold must be in (0, 1), got {threshold!r}')
        self.threshold = threshold

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store the prediction and the ground truth of each sample, (2, A) int8."""
        for sample in data_samples:
            truth = read_field(self, sample, 'gt_au')
            active = read_field(self, sample, 'pred_au') >= self.threshold
            if truth.shape != active.shape or truth.ndim != 1:
                raise ValueError(
                    f'ActionUnitF1 needs gt_au and pred_au of one shape (A,); the sample '
                    f'{name_of(sample)} has {truth.shape} and {active.shape}. Set '
                    'model.head.num_units to the number of units of the dataset'
                )
            self.results.append(np.stack([active, truth]).astype(np.int8))

    def compute_metrics(self, results: list[np.ndarray]) -> dict[str, float]:
        # Imported here: it takes a second, and most trainings do not need it.
        from sklearn.metrics import f1_score

        active, truth = np.stack(results, axis=1)  # (N, A) each
        labeled = truth >= 0
        names = (self.dataset_meta or {}).get('action_units') or range(truth.shape[1])
        check_names('action_units', names, truth.shape[1])
        units = {
            str(name): 100 * float(f1_score(truth[rows, unit], active[rows, unit], zero_division=0))
            for unit, (name, rows) in enumerate(zip(names, labeled.T, strict=True))
            if rows.any()
        }
        if not units:
            raise ValueError(
                f'ActionUnitF1: none of {len(results)} samples is labeled with action units '
                '(gt_au 0 or 1); remove it from the evaluators of the config'
            )
        return dict(mean=sum(units.values()) / len(units), **units)
