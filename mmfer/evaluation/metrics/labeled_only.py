# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import warnings
from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from mmfer.registry import METRICS


@METRICS.register_module()
class LabeledOnly(BaseMetric):
    """Compute a classification metric over the labeled samples only.

    If several tasks share a dataset, some samples have no class: their ``gt_label`` is -1. This
    wrapper ignores them: ``dict(type='LabeledOnly', metric=dict(type='Accuracy'))``. The names of
    the results are those of the metric.

    Unlabeled samples are dropped after the processes have exchanged their results: MMEngine
    interleaves the results of the processes and removes the padding of the last batch by counting,
    which needs all samples.

    Args:
        metric (dict): Config of a metric that stores one result with a ``gt_label`` per sample, as
            mmpretrain's single-label metrics and :class:`MeanClassAccuracy` do.

    Raises:
        ValueError: No sample has a label.
        TypeError: The metric stores other results.
    """

    def __init__(self, metric: dict):
        self.metric = METRICS.build(metric)
        super().__init__(self.metric.collect_device, self.metric.prefix)

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the dataset, shared with the metric."""
        return self.metric.dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self.metric.dataset_meta = dataset_meta

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Process the batch by the metric, and move its results here."""
        self.metric.process(data_batch, data_samples)
        results = self.metric.results
        fits = len(results) == len(data_samples)
        if not fits or not all(isinstance(r, dict) and 'gt_label' in r for r in results):
            raise TypeError(
                f'LabeledOnly: {type(self.metric).__name__} does not store one result with a '
                'gt_label per sample; use it without LabeledOnly'
            )
        self.results.extend(results)
        results.clear()

    def compute_metrics(self, results: list[dict]) -> dict:
        """Compute the metric over the labeled samples."""
        labeled = [result for result in results if int(result['gt_label']) >= 0]
        if not labeled:
            raise ValueError(
                f'LabeledOnly: none of {len(results)} samples has a label (gt_label >= 0) for '
                f'{type(self.metric).__name__}; remove it from the evaluators of the config'
            )
        return self.metric.compute_metrics(labeled)


@METRICS.register_module()
class LabelledOnly(LabeledOnly):
    """The former name of :class:`LabeledOnly`; it warns and will be removed."""

    def __init__(self, *args, **kwargs):
        warnings.warn('LabelledOnly is now called LabeledOnly', FutureWarning, stacklevel=2)
        super().__init__(*args, **kwargs)
