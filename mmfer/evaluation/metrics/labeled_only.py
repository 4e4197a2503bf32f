# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import warnings
from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from mmfer.registry import METRICS


@METRICS.register_module()
class LabeledOnly(BaseMetric):
    """Another classification metric, over the samples that have a label.

    Where several tasks share a dataset, some samples have no class: their ``gt_label`` is -1. This
    hands only the others to the metric, such as ``dict(type='LabeledOnly',
    metric=dict(type='Accuracy'))``. Results have the names that the metric gives them.

    They are left out after the processes have exchanged their results, not before: MMEngine takes
    turns between the processes and drops what filled up the last batch by counting, for which every
    sample has to be there.

    Args:
        metric (dict): A metric that keeps one result with a ``gt_label`` for each sample, as
            mmpretrain's single-label metrics and :class:`MeanClassAccuracy` do.

    Raises:
        ValueError: No sample has a label.
        TypeError: The metric keeps other results.
    """

    def __init__(self, metric: dict):
        self.metric = METRICS.build(metric)
        super().__init__(self.metric.collect_device, self.metric.prefix)

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the dataset, which the metric shares."""
        return self.metric.dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self.metric.dataset_meta = dataset_meta

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Let the metric process the batch, and take its results."""
        self.metric.process(data_batch, data_samples)
        results = self.metric.results
        fits = len(results) == len(data_samples)
        if not fits or not all(isinstance(r, dict) and 'gt_label' in r for r in results):
            raise TypeError(
                f'LabeledOnly: {type(self.metric).__name__} does not keep one result with a '
                'gt_label for each sample; use it as it is, without LabeledOnly'
            )
        self.results.extend(results)
        results.clear()

    def compute_metrics(self, results: list[dict]) -> dict:
        """Compute the metric of the samples that have a label."""
        labeled = [result for result in results if int(result['gt_label']) >= 0]
        if not labeled:
            raise ValueError(
                f'LabeledOnly: none of {len(results)} samples has a label (gt_label >= 0) for '
                f'{type(self.metric).__name__}; take it out of the evaluators of the config'
            )
        return self.metric.compute_metrics(labeled)


@METRICS.register_module()
class LabelledOnly(LabeledOnly):
    """The former name of :class:`LabeledOnly`; it warns and will be removed."""

    def __init__(self, *args, **kwargs):
        warnings.warn('LabelledOnly is now called LabeledOnly', FutureWarning, stacklevel=2)
        super().__init__(*args, **kwargs)
