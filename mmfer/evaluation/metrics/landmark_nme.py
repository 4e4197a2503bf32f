# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from mmfer.registry import METRICS

from ..functional.landmarks import (
    OUTER_EYE_CORNERS,
    area_under_curve,
    failure_rate,
    normalized_mean_error,
)
from .sample_fields import check_names, name_of, read_field


@METRICS.register_module()
class LandmarkNME(BaseMetric):
    """Metrics of facial landmarks, as reported for WFLW.

    Results:

    =========================  ====================================================================
    ``landmark/nme``           mean distance of the points to the ground truth, divided by the
                               distance of the outer eye corners, in percent; lower is better
    ``landmark/mae``           mean absolute error of the coordinates in pixels of the network
                               input; lower is better
    ``landmark/failure_rate``  share of faces with an NME above ``threshold``, in percent; lower is
                               better
    ``landmark/auc``           area under the cumulative distribution of the NME from 0 to
                               ``threshold``, 0 to 1
    =========================  ====================================================================

    If samples have ``attributes``, a row of 0 and 1, all of these except ``mae`` are also reported
    for every non-empty subset: ``landmark/pose/nme`` and so on.

    MMEngine cannot infer that a lower error is better: ``save_best='landmark/nme'`` needs
    ``rule='less'``.

    Reads ``gt_landmarks`` and ``pred_landmarks`` ``(P, 2)``, both in pixels of the network input.

    Args:
        threshold (float): Threshold of the NME in percent, > 0. Defaults to 10.
        eye_corners (Sequence[int]): Indices of the outer eye corners. Defaults to (60, 72), those
            of WFLW's 98 points.
        collect_device (str): 'cpu' or 'gpu', how processes exchange results. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the result names. Defaults to None, 'landmark'.

    Raises:
        ValueError: An argument is out of its range, a sample lacks a field, shapes differ, or the
            eye corners of a face coincide.
    """

    default_prefix = 'landmark'

    def __init__(
        self,
        threshold: float = 10.0,
        eye_corners: Sequence[int] = OUTER_EYE_CORNERS,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not threshold > 0:
            raise ValueError(f'LandmarkNME: threshold must be > 0 percent, got {threshold!r}')
        if len(eye_corners) != 2 or min(eye_corners) < 0 or len(set(eye_corners)) != 2:
            raise ValueError(
                f'LandmarkNME: eye_corners must be the indices of two points, got {eye_corners!r}'
            )
        self.threshold = threshold
        self.eye_corners = tuple(eye_corners)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store NME, MAE and attributes of each face."""
        for sample in data_samples:
            pred = read_field(self, sample, 'pred_landmarks')
            truth = read_field(self, sample, 'gt_landmarks')
            self._check(sample, pred, truth)
            attributes = sample.get('attributes')
            self.results.append(
                dict(
                    nme=normalized_mean_error(pred[None], truth[None], self.eye_corners)[0],
                    mae=np.abs(pred - truth).mean(),
                    attributes=None if attributes is None else np.asarray(attributes, bool),
                )
            )

    def _check(self, sample: dict, pred: np.ndarray, truth: np.ndarray) -> None:
        if pred.shape != truth.shape or truth.ndim != 2 or len(truth) <= max(self.eye_corners):
            raise ValueError(
                f'LandmarkNME needs points (P, 2) with P > {max(self.eye_corners)} (eye_corners); '
                f'the sample {name_of(sample)} has gt_landmarks {truth.shape} and pred_landmarks '
                f'{pred.shape}'
            )
        left, right = truth[list(self.eye_corners)]
        # In pixels: a smaller distance can only be a wrong annotation.
        if not np.linalg.norm(left - right) > 1e-3:
            raise ValueError(
                f'the eye corners (points {self.eye_corners}) of the sample {name_of(sample)} '
                f'coincide at {left.tolist()}: no error can be normalized by their distance. '
                'Correct or drop the sample'
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        nme = np.array([face['nme'] for face in results])
        metrics = self._summary(nme)
        metrics['mae'] = float(np.mean([face['mae'] for face in results]))
        if all(face['attributes'] is not None for face in results):
            attributes = np.stack([face['attributes'] for face in results])
            names = (self.dataset_meta or {}).get('attributes') or range(attributes.shape[1])
            check_names('attributes', names, attributes.shape[1])
            for name, members in zip(names, attributes.T, strict=True):
                if members.any():
                    subset = self._summary(nme[members])
                    metrics.update({f'{name}/{key}': value for key, value in subset.items()})
        return metrics

    def _summary(self, nme: np.ndarray) -> dict[str, float]:
        return dict(
            nme=float(nme.mean()),
            failure_rate=failure_rate(nme, self.threshold),
            auc=area_under_curve(nme, self.threshold),
        )
