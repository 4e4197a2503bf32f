# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a published model is for, what it was trained on and what was measured: facts in its file.

All of it is data: YAML and JSON of plain values go in, text comes out.
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

#: Entries of a file of facts, and what each item of those that are lists has to have.
_NEEDED = {
    'purpose': None,
    'date': None,
    'training_data': ('name', 'licence'),
    'results': ('data', 'protocol', 'metrics'),
}
_OPTIONAL = ('limits',)
_CLASS = 'class_accuracy/'
#: Of a checkpoint's ``meta``, in this order; the config is too long to be read.
_SHOWN = (
    *('task', 'classes', 'facts', 'calibration', 'licence', 'input_size', 'preprocessing'),
    *('mmfer_version', 'source_sha256'),
)


def read_facts(path: str | Path, classes: Collection[str] = ()) -> dict[str, Any]:
    """Read what the author of a model says of it.

    Args:
        path (str | Path): A YAML file with

            * ``purpose``: what the model is for;
            * ``date``: when it was trained;
            * ``training_data``: a list, each with ``name``, ``licence`` (the terms of the data) and
              whatever else is to be said;
            * ``results``: a list, each with ``data`` (which images), ``protocol`` (how their labels
              and the predictions came about), ``metrics`` and whatever else is to be said. Metrics
              are numbers by name, or the JSON file that ``tools/test.py --out`` wrote, whose path
              is relative to this file;
            * ``limits``: what it cannot do. May be left out.
        classes (Collection[str]): Of the model. Metrics of single classes are named by them.

    Returns:
        The same as plain values: dates are text, metrics numbers with two decimals.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Something is missing, unknown, or no plain value; says what and where.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no file of facts {path} (--facts)')
    facts = _plain(load(path, file_format='yaml'), str(path))
    if not isinstance(facts, dict):
        raise ValueError(f'{path} has to be a mapping with {", ".join(_NEEDED)}')
    _require(facts, _NEEDED, str(path))
    unknown = sorted(facts.keys() - _NEEDED.keys() - set(_OPTIONAL))
    if unknown:
        allowed = ', '.join((*_NEEDED, *_OPTIONAL))
        raise ValueError(f'{path}: {unknown[0]!r} is none of {allowed}')
    for name, needed in _NEEDED.items():
        if needed is None:
            continue
        if not isinstance(facts[name], list) or not facts[name]:
            raise ValueError(f'{path}: {name} has to be a list of one or more')
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
        raise ValueError(f'{where} are numbers by name, or the JSON file that tools/test.py wrote')
    # In JSON there is a table as well, the confusion matrix.
    numbers = {k: round(float(v), 2) for k, v in metrics.items() if isinstance(v, Real)}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise ValueError(f'{where}: {name} is {value}')
        of_class = name.removeprefix(_CLASS)
        if name.startswith(_CLASS) and of_class not in (*classes, 'mean'):
            raise ValueError(
                f'{where}: {name} is of no class of this model, which has {", ".join(classes)}'
            )
    if not numbers:
        raise ValueError(f'{where} hold no number')
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
    """What a file of weights says of its model.

    Args:
        path (str | Path): What ``publish_model.py`` wrote. Other checkpoints say less, or nothing.

    Returns:
        Of what the file has, in this order: ``task``, ``classes``, ``facts`` (see
        :func:`read_facts`), ``calibration`` (see :func:`.calibrate_model`), ``licence``,
        ``input_size``, ``preprocessing``, ``mmfer_version`` and ``source_sha256``.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It cannot be read.
    """
    meta = load_weights(str(path))[1]
    shown = {name: meta[name] for name in _SHOWN if name in meta}
    if isinstance(shown.get('facts'), dict):  # JSON has them by the alphabet
        known = {name: None for name in (*_NEEDED, *_OPTIONAL) if name in shown['facts']}
        shown['facts'] = {**known, **shown['facts']}
    return shown
