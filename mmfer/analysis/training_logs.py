# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read the MMEngine logs of a training that may have been stopped and resumed."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmfer.visualization.learning_curves import Curve

# Keys of a log line for its position in the training.
_PLACES = ('epoch', 'iter', 'step')


def read_training_log(work_dir: str | Path) -> dict[str, Curve]:
    """Read the log of the training in a work folder.

    MMEngine writes a folder ``<timestamp>/vis_data`` for every start of a training. The logs are
    joined in order of time. A resumed training repeats the steps after the checkpoint, so lines of
    earlier starts are dropped from the first step of a later start on, and their validations from
    its first epoch on. Tests and starts that logged no training are skipped. An incomplete last
    line (from a killed process) is skipped with a warning.

    Args:
        work_dir (str | Path): The ``--work-dir`` of the training.

    Returns:
        Name -> curve. The steps of training curves are iterations; those of validation curves are
        epochs, or iterations if the training does not count epochs. Names are those of the log. If
        training and validation use the same name, the validation curve is ``val/<name>``.

    Raises:
        FileNotFoundError: The folder does not exist or has no log.
        ValueError: A line before the last is damaged, or no training step was logged.
    """
    work_dir = Path(work_dir)
    files = _find(work_dir)
    training, validation = [], []
    for path in files:
        lines = list(_read_lines(path))
        # Only lines of training have the iteration.
        begun = [line for line in lines if 'iter' in line]
        if begun:
            first = begun[0]['step']
            training = [line for line in training if line['step'] < first] + begun
            first = begun[0].get('epoch', first)
            validation = [line for line in validation if line['step'] < first]
            validation += [line for line in lines if 'iter' not in line]
    if not training:
        raise ValueError(
            f'no training step is logged in {", ".join(map(str, files))}; the first one is logged '
            'after default_hooks.logger.interval iterations'
        )
    unit = 'epoch' if 'epoch' in training[0] else 'iteration'
    curves = _columns('training', 'iteration', training)
    for name, curve in _columns('validation', unit, validation).items():
        curves[f'val/{name}' if name in curves else name] = curve
    return curves


def _find(work_dir: Path) -> list[Path]:
    """Return the log files of all starts, oldest first."""
    if not work_dir.is_dir():
        raise FileNotFoundError(f'there is no work folder {work_dir}')
    files = []
    # Unlike glob(), this raises if a folder cannot be read.
    for folder in sorted(path / 'vis_data' for path in work_dir.iterdir()):
        # <timestamp>.json has the same lines; a visualizer may disable either file.
        named = [folder / 'scalars.json', folder / f'{folder.parent.name}.json']
        files += [path for path in named if path.is_file()][:1]
    if not files:
        raise FileNotFoundError(
            f'no training was logged in {work_dir}: there is no '
            f'{work_dir}/<timestamp>/vis_data/scalars.json. Pass the --work-dir of a training '
            "whose config has vis_backends=[dict(type='LocalVisBackend')]"
        )
    return files


def _read_lines(path: Path) -> Iterable[dict]:
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            if number < len(lines):
                raise ValueError(f'{path}, line {number} is damaged: {error}') from error
            print_log(
                f'{path}: the last line is incomplete (the process was killed) and is skipped',
                logger='current',
                level=logging.WARNING,
            )


def _columns(part: str, unit: str, lines: list[dict]) -> dict[str, Curve]:
    """Return a curve for each numeric key of the lines."""
    names = dict.fromkeys(
        name
        for line in lines
        for name, value in line.items()
        if name not in _PLACES and isinstance(value, int | float)
    )
    columns = {}
    for name in names:
        rows = [line for line in lines if name in line]
        steps = np.array([line['step'] for line in rows])
        columns[name] = Curve(part, unit, steps, np.array([line[name] for line in rows], float))
    return columns
