# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read what MMEngine logged during a training that may have been stopped and resumed."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmfer.visualization.learning_curves import Curve

# In a line that says where in the training it was written.
_PLACES = ('epoch', 'iter', 'step')


def read_training_log(work_dir: str | Path) -> dict[str, Curve]:
    """Read the log of the training in a work folder.

    MMEngine writes a folder ``<timestamp>/vis_data`` for every start of a training; they are joined
    in order of time. A training that was resumed repeats what its predecessor had logged after the
    checkpoint: the later start counts, and what an earlier one logged from its first step on is
    left out. Tests and starts that logged no training are passed over. A last line that a killed
    process left half written is passed over with a warning.

    Args:
        work_dir (str | Path): What ``--work-dir`` of the training was.

    Returns:
        Name -> curve. Quantities of training are counted in iterations; those of validation in
        epochs, or in iterations where the training has no epochs. They have the names that they
        were logged by; one of validation that training has, too, is called ``val/<name>``.

    Raises:
        FileNotFoundError: There is no such folder, or no log in it.
        ValueError: A line before the last is damaged, or nothing was logged.
    """
    work_dir = Path(work_dir)
    files = _find(work_dir)
    training, validation = [], []
    for path in files:
        lines = list(_read_lines(path))
        # Only lines of training tell the iteration.
        begun = [line for line in lines if 'iter' in line]
        if begun:
            training = _superseded_by(training, begun)
            validation = _superseded_by(validation, [ln for ln in lines if 'iter' not in ln])
    if not training:
        raise ValueError(
            f'no training step is logged in {", ".join(map(str, files))}; a training logs its '
            'first after default_hooks.logger.interval iterations'
        )
    unit = 'epoch' if 'epoch' in training[0] else 'iteration'
    curves = _columns('training', 'iteration', training)
    for name, curve in _columns('validation', unit, validation).items():
        curves[f'val/{name}' if name in curves else name] = curve
    return curves


def _find(work_dir: Path) -> list[Path]:
    """The logs of all starts, the first one first."""
    if not work_dir.is_dir():
        raise FileNotFoundError(f'there is no work folder {work_dir}')
    files = []
    # Unlike glob(), this tells of a folder that cannot be read.
    for folder in sorted(path / 'vis_data' for path in work_dir.iterdir()):
        # The same lines stand in <timestamp>.json; a visualizer may have either switched off.
        named = [folder / 'scalars.json', folder / f'{folder.parent.name}.json']
        files += [path for path in named if path.is_file()][:1]
    if not files:
        raise FileNotFoundError(
            f'no training was logged in {work_dir}: there is no '
            f'{work_dir}/<timestamp>/vis_data/scalars.json. Name the --work-dir of a training, one '
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
                f'{path}: the last line is half written (its process was killed) and left out',
                logger='current',
                level=logging.WARNING,
            )


def _superseded_by(earlier: list[dict], later: list[dict]) -> list[dict]:
    """Lines in order of their steps, without the earlier ones that the later ones overtake."""
    if not later:
        return earlier
    return [line for line in earlier if line['step'] < later[0]['step']] + later


def _columns(part: str, unit: str, lines: list[dict]) -> dict[str, Curve]:
    """A curve for each number that stands in some of the lines."""
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
