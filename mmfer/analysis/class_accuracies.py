# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Per-class accuracy, read from the files that a test writes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.fileio import load

from mmfer.evaluation.confusion_matrix_file import read_confusion_matrix
from mmfer.utils import safe_yaml  # noqa: F401

_METRIC = 'class_accuracy/'
_LOADED = ('.json', '.yaml', '.yml')


def read_class_accuracies(path: str | Path) -> dict[str, float]:
    """Read the accuracy of every class, in percent, of one test.

    Args:
        path (str | Path): Metrics as ``tools/test.py --out`` or MMEngine's test log write them
            (.json, .yaml), with :class:`~mmfer.evaluation.metrics.MeanClassAccuracy` among them; or
            ``confusion_matrix.csv``.

    Returns:
        Class -> accuracy. Classes without images are omitted, as in the metric.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged or of another type, or holds no class accuracy.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no file {path} (from {os.getcwd()})')
    if path.suffix == '.csv':
        matrix, classes = read_confusion_matrix(path)
        support = matrix.sum(axis=1)
        return {
            name: float(100 * matrix[i, i] / support[i])
            for i, name in enumerate(classes)
            if support[i]
        }
    if path.suffix not in _LOADED:
        raise ValueError(
            f'{path}: per-class accuracies are read from {", ".join(_LOADED)} or .csv, the latter '
            'a confusion matrix (pickles are not loaded, since they may run code)'
        )
    try:
        metrics = load(path)
        found = metrics if isinstance(metrics, dict) else {}
        accuracies = {
            name.removeprefix(_METRIC): float(value)
            for name, value in found.items()
            if str(name).startswith(_METRIC) and name != f'{_METRIC}mean'
        }
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f'{path} holds no metrics: {error}') from error
    if not accuracies:
        raise ValueError(
            f'{path} has no metric {_METRIC}<class>, only {sorted(map(str, found))}; add '
            "dict(type='MeanClassAccuracy') to test_evaluator, or pass the confusion_matrix.csv of "
            'the same test'
        )
    return accuracies


def mean_and_spread(
    tests: Sequence[Mapping[str, float]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Return mean and standard deviation over repetitions, per class and for the mean of classes.

    Args:
        tests (Sequence[Mapping[str, float]]): Class -> accuracy of each test; all with the same
            classes.

    Returns:
        Class -> mean, and class -> sample standard deviation (n - 1), which is empty if there is
        only one test. Both have an entry ``'mean'`` for the mean of classes.

    Raises:
        ValueError: The tests have different classes.
    """
    classes = list(tests[0])
    for test in tests[1:]:
        if set(test) != set(classes):
            raise ValueError(
                f'repetitions must have the same classes; one has {sorted(test)}, another '
                f'{sorted(classes)}'
            )
    table = np.array([[test[name] for name in classes] for test in tests])
    table = np.column_stack([table, table.mean(axis=1)])
    names = [*classes, 'mean']
    means = dict(zip(names, table.mean(axis=0).tolist(), strict=True))
    if len(tests) == 1:
        return means, {}
    return means, dict(zip(names, table.std(axis=0, ddof=1).tolist(), strict=True))
