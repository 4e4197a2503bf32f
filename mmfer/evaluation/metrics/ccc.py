# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from mmfer.registry import METRICS

from ..functional.concordance import (
    concordance_correlation,
    pearson_correlation,
    root_mean_square_error,
    sign_agreement,
)
from .sample_fields import name_of, read_field

_FIGURES = dict(
    ccc=concordance_correlation,
    rmse=root_mean_square_error,
    pearson=pearson_correlation,
    sagr=sign_agreement,
)


@METRICS.register_module()
class CCC(BaseMetric):
    """Concordance correlation and other metrics of valence and arousal.

    They are computed over all labeled samples at once, as in the ABAW competitions. A sample whose
    ``gt_valence_arousal`` is NaN or not in [-1, 1] counts as unlabeled. Results, with ``<x>``
    ``valence`` and ``arousal``:

    ====================  =========================================================================
    ``va/ccc_<x>``        concordance correlation coefficient, -1 to 1; higher is better
    ``va/rmse_<x>``       root mean squared error, in units of the labels; lower is better
    ``va/pearson_<x>``    Pearson's correlation coefficient, -1 to 1
    ``va/sagr_<x>``       share of predictions with the correct sign, 0 to 1
    ``va/ccc`` and so on  the mean of both
    ====================  =========================================================================

    MMEngine cannot infer from the names what is better: ``save_best='va/ccc'`` needs
    ``rule='greater'``.

    Reads ``gt_valence_arousal`` and ``pred_valence_arousal``, both (2,).

    Args:
        collect_device (str): 'cpu' or 'gpu', how processes exchange results. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the result names. Defaults to None, 'va'.

    Raises:
        ValueError: A sample lacks a field, has another shape, or none is labeled.
    """

    default_prefix = 'va'

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store the ground truth and the prediction of each sample, (2, 2)."""
        for sample in data_samples:
            true = read_field(self, sample, 'gt_valence_arousal')
            pred = read_field(self, sample, 'pred_valence_arousal')
            if not true.shape == pred.shape == (2,):
                raise ValueError(
                    f'CCC needs gt_valence_arousal and pred_valence_arousal of shape (2,); the '
                    f'sample {name_of(sample)} has {true.shape} and {pred.shape}'
                )
            self.results.append(np.stack([true, pred]))

    def compute_metrics(self, results: list[np.ndarray]) -> dict[str, float]:
        true, pred = np.stack(results, axis=1)  # (N, 2) each
        labeled = (np.abs(true) <= 1).all(axis=1)  # NaN is not
        if not labeled.any():
            raise ValueError(
                f'CCC: none of {len(results)} samples is labeled with valence and arousal '
                '(gt_valence_arousal in [-1, 1]); remove it from the evaluators of the config'
            )
        pairs = list(zip(true[labeled].T, pred[labeled].T, strict=True))
        figures = {}
        for name, figure in _FIGURES.items():
            valence, arousal = (figure(*pair) for pair in pairs)
            figures[name] = (valence + arousal) / 2
            figures[f'{name}_valence'], figures[f'{name}_arousal'] = valence, arousal
        return figures
