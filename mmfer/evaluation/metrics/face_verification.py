# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmfer.registry import METRICS

from ..functional.verification import (
    RocCurve,
    all_pairs_roc,
    intra_class_variance_to_mean,
    pairs_roc,
)
from ..pairs_file import find_pairs, read_pairs
from .sample_fields import read_field


@METRICS.register_module()
class FaceVerification(BaseMetric):
    """Face verification: decide whether two images show the same person.

    Pairs are compared by the cosine similarity of their features: all pairs of the test set, or the
    pairs of a file.

    Results:

    =============================================  ================================================
    ``verification/tar@far=<far>``                 true acceptance rate at a false acceptance rate
                                                   of at most ``far``, in percent
    ``verification/auc``                           area under the ROC curve, 0 to 1
    ``verification/eer``                           equal error rate, in percent; lower is better
    ``verification/intra_class_variance``          mean cosine distance, ``1 - cos``, of the pairs
                                                   of one person, 0 to 2; lower is better
    ``verification/intra_class_variance_to_mean``  mean squared distance of L2-normalized features
                                                   to the mean of their person, 0 to 1; lower is
                                                   better. Omitted with a pairs file if samples
                                                   have no ``gt_label``
    ``verification/genuine_pairs``                 number of pairs of one person
    =============================================  ================================================

    MMEngine infers that a higher TAR or AUC is better; with ``save_best``, ``eer`` and the
    variances need ``rule='less'``.

    Note:
        The KT-Adapter paper reports an intra-class variance of up to 0.631, but does not define it.
        The distance to the mean cannot be that large on its test set: 750 images with 484 genuine
        pairs reach at most 0.548, unless features of one person are opposite to each other. The
        cosine distance of pairs can, so it is the one compared with the published values.

        The TAR at a FAR is the largest one of all thresholds that do not exceed that FAR. Nothing
        is interpolated, and pairs with equal similarity are accepted or rejected together. With
        fewer than ``1 / far`` pairs of two people it is the TAR without a false acceptance; a
        warning is logged.

    Reads ``feat`` (C,), ``gt_label`` (the person) and, with a pairs file, ``img_path``. All
    features and the pairs of one person are kept in memory; pairs of two people are processed in
    chunks.

    Args:
        far (float | Sequence[float]): One or several false acceptance rates in (0, 1). Defaults to
            0.001.
        pairs_file (str, optional): Text file with one pair per line: the paths of two images, which
            may lack leading folders, and 1 for one person or 0 for two, separated by white space
            (by tabs if paths have spaces). Defaults to None, all pairs.
        collect_device (str): 'cpu' or 'gpu', how processes exchange results. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the result names. Defaults to None, 'verification'.

    Raises:
        FileNotFoundError: There is no such pairs file.
        ValueError: ``far`` is out of its range, a line of the file is not a pair or names an image
            that was not tested, a sample lacks a field, features are not finite, or there are no
            pairs of one person or none of two people.
    """

    default_prefix = 'verification'

    def __init__(
        self,
        far: float | Sequence[float] = 0.001,
        pairs_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.fars = (far,) if isinstance(far, (int, float)) else tuple(far)
        if not self.fars or not all(0 < far < 1 for far in self.fars):
            raise ValueError(f'FaceVerification: far must be one or several in (0, 1), got {far!r}')
        # Read now: an error in the file should not appear only after the first epoch.
        self.pairs = None if pairs_file is None else read_pairs(pairs_file)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store the feature, person and path of each image."""
        for sample in data_samples:
            feat = read_field(self, sample, 'feat').astype(np.float32)
            image = dict(feat=feat)
            if self.pairs is None or 'gt_label' in sample:
                image['label'] = int(read_field(self, sample, 'gt_label').item())
            if self.pairs is not None:
                image['path'] = str(read_field(self, sample, 'img_path'))
            self.results.append(image)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        features = np.stack([image['feat'] for image in results])
        labels = None
        if all('label' in image for image in results):
            labels = np.array([image['label'] for image in results])
        if self.pairs is None:
            curve = all_pairs_roc(features, labels)
        else:
            indices, same = find_pairs(self.pairs, [image['path'] for image in results])
            curve = pairs_roc(features, indices, same)
        metrics = {f'tar@far={far:g}': 100 * curve.tar_at(far) for far in self.fars}
        self._warn_of_few_pairs(curve)
        metrics.update(auc=curve.auc, eer=100 * curve.eer)
        metrics['intra_class_variance'] = 1 - curve.mean_same
        if labels is not None:
            to_mean = intra_class_variance_to_mean(features, labels)
            metrics['intra_class_variance_to_mean'] = to_mean
        metrics['genuine_pairs'] = float(curve.num_same)
        return metrics

    def _warn_of_few_pairs(self, curve: RocCurve) -> None:
        for far in self.fars:
            if far * curve.num_different < 1:
                print_log(
                    f'{self.prefix}/tar@far={far:g}: {curve.num_different} pairs of two people '
                    f'cannot resolve this rate, at least {1 / far:.0f} are needed; the reported '
                    'rate is the one without a false acceptance',
                    logger='current',
                    level=logging.WARNING,
                )
