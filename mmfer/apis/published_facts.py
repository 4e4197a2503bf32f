# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Facts stored with a published model: its purpose, training data and results.

All of them are plain values, read from YAML and JSON.
"""

import datetime
import math
from collections.abc import Collection, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from mmengine.fileio import load

from mmfer.checkpoint.safe_load import load_weights
from mmfer.utils import safe_yaml  # noqa: F401

#: Required entries of a file of facts; for lists, the required entries of each item.
_NEEDED = {
    'purpose': None,
    'date': None,
    'training_data': ('name', 'licence'),
    'results': ('data', 'protocol', 'metrics'),
}
_OPTIONAL = ('limits',)
_CLASS = 'class_accuracy/'
#: Entries of a checkpoint's ``meta`` to show, in this order; the config is too long.
_SHOWN = (
    *('task', 'classes', 'facts', 'calibration', 'licence', 'input_size', 'preprocessing'),
    *('mmfer_version', 'source_sha256'),
)


def read_facts(path: str | Path, classes: Collection[str] = ()) -> dict[str, Any]:
    """Read the facts about a model that its author wrote.

    Args:
        path (str | Path): A YAML file with

            * ``purpose``: what the model is for;
            * ``date``: when it was trained;
            * ``training_data``: a list, each with ``name``, ``licence`` (the terms of the data) and
              any other entries;
            * ``results``: a list, each with ``data`` (which images), ``protocol`` (how they were
              labeled and predicted), ``metrics`` and any other entries. Metrics are numbers by
              name, or the path of a JSON file written by ``tools/test.py --out``, relative to this
              file;
            * ``limits``: what the model cannot do. Optional.
        classes (Collection[str]): Class names of the model, which metrics of single classes must
            use. Defaults to none.

    Returns:
        The facts as plain values: dates are text, metrics numbers with two decimals.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: An entry is missing, unknown, or not a plain value; the message says which.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no file of facts {path} (--facts)')
    facts = _plain(load(path, file_format='yaml'), str(path))
    if not isinstance(facts, dict):
        raise ValueError(f'{path} must be a mapping with {", ".join(_NEEDED)}')
    _require(facts, _NEEDED, str(path))
    unknown = sorted(facts.keys() - _NEEDED.keys() - set(_OPTIONAL))
    if unknown:
        allowed = ', '.join((*_NEEDED, *_OPTIONAL))
        raise ValueError(f'{path}: unknown entry {unknown[0]!r}; allowed are {allowed}')
    for name, needed in _NEEDED.items():
        if needed is None:
            continue
        if not isinstance(facts[name], list) or not facts[name]:
            raise ValueError(f'{path}: {name} must be a list of one item or more')
        for number, item in enumerate(facts[name]):
            _require(item, needed, f'{path}: {name}.{number}')
    for number, result in enumerate(facts['results']):
        where = f'{path}: results.{number}.metrics'
        result['metrics'] = _metrics(result['metrics'], path.parent, where, classes)
    return facts


def _require(item: Any, names: Collection[str], where: str) -> None:
    missing = [name for name in names if not isinstance(item, dict) or not item.get(name)]
    if missing:
        raise ValueError(f'{where} lacks {", ".join(missing)}')


def _metrics(metrics: Any, folder: Path, where: str, classes: Collection[str]) -> dict[str, float]:
    if isinstance(metrics, str):
        metrics = load(folder / metrics, file_format='json')
    if not isinstance(metrics, Mapping):
        raise ValueError(f'{where} must be numbers by name, or a JSON file from tools/test.py')
    # The JSON file also contains the confusion matrix, which is skipped.
    numbers = {k: round(float(v), 2) for k, v in metrics.items() if isinstance(v, Real)}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise ValueError(f'{where}: {name} is {value}')
        of_class = name.removeprefix(_CLASS)
        if name.startswith(_CLASS) and of_class not in (*classes, 'mean'):
            raise ValueError(
                f'{where}: {name} is not a class of this model, which has {", ".join(classes)}'
            )
    if not numbers:
        raise ValueError(f'{where} must contain a number')
    return numbers


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(item, f'{where}: {key}') for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(f'{where} is a {type(value).__name__}, not text, a number or a list of them')


def published_facts(path: str | Path) -> dict[str, Any]:
    """Return the facts about a model that are stored with its weights.

    Args:
        path (str | Path): A file written by ``publish_model.py``. Other checkpoints have fewer
            facts or none.

    Returns:
        The entries that exist, in this order: ``task``, ``classes``, ``facts`` (see
        :func:`read_facts`), ``calibration`` (see :func:`.calibrate_model`), ``licence``,
        ``input_size``, ``preprocessing``, ``mmfer_version`` and ``source_sha256``.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointError: It cannot be read.
    """
    meta = load_weights(str(path))[1]
    shown = {name: meta[name] for name in _SHOWN if name in meta}
    if isinstance(shown.get('facts'), dict):  # sorted alphabetically in the file
        known = {name: None for name in (*_NEEDED, *_OPTIONAL) if name in shown['facts']}
        shown['facts'] = {**known, **shown['facts']}
    return shown
