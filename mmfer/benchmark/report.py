# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What was measured, as plain values for JSON and as text for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from .pipeline import PipelineSpeed
from .timing import Measurement, ratio


def timing_rows(times: Mapping[str, Measurement], batch_size: int) -> list[dict[str, Any]]:
    """One row a variant; the first is what the others are compared with.

    Returns:
        ``name``, ``batch_size``, ``median_ms`` and ``iqr_ms`` (interquartile range) of a call,
        ``pictures_s``, ``speed_up`` over the first and its range within the turns, ``times_s``.
    """
    first = next(iter(times.values()), None)
    rows = []
    for name, measured in times.items():
        against = ratio(first, measured)
        rows.append(
            dict(
                name=name,
                batch_size=batch_size,
                median_ms=measured.median * 1e3,
                iqr_ms=measured.iqr * 1e3,
                pictures_s=batch_size / measured.median,
                speed_up=against.value,
                speed_up_range=[against.low, against.high],
                times_s=list(measured.times),
            )
        )
    return rows


def timing_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of :func:`timing_rows` as text."""
    width = max((len(row['name']) for row in rows), default=0)
    head = f'{"":{width}}  batch   median ms      iqr   pictures/s   speed-up (range)'
    lines = [head]
    for row in rows:
        low, high = row['speed_up_range']
        lines.append(
            f'{row["name"]:{width}}  {row["batch_size"]:5}  {row["median_ms"]:10.2f} '
            f'{row["iqr_ms"]:8.2f}   {row["pictures_s"]:10.2f}   '
            f'{row["speed_up"]:5.3f} ({low:.3f} to {high:.3f})'
        )
    return '\n'.join(lines)


def memory_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of ``name``, ``batch_size`` and ``bytes`` as text."""
    width = max((len(row['name']) for row in rows), default=0)
    lines = [f'{"":{width}}  batch   peak MiB   MiB a picture']
    for row in rows:
        mebibytes = row['bytes'] / 2**20
        lines.append(
            f'{row["name"]:{width}}  {row["batch_size"]:5}   {mebibytes:8.1f}   '
            f'{mebibytes / row["batch_size"]:13.2f}'
        )
    return '\n'.join(lines)


def pipeline_text(speed: PipelineSpeed) -> str:
    """A pipeline's speed and where its time goes."""
    lines = [
        f'{speed.rate:8.0f} pictures/s through the pipeline, '
        f'{speed.bare_rate:.0f} decoded and resized: {100 * speed.share:.0f} %'
    ]
    lines += [f'{name:>28}  {ms:7.3f} ms a picture' for name, ms in speed.steps.items()]
    return '\n'.join(lines)


def machine_text(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    load = f', load {machine["load"]}' if 'load' in machine else ''
    device = '' if machine['device'] == 'cpu' else f'{machine["device"]}; '
    return (
        f'{device}{machine["cpu"]}, {machine["threads"]} of {machine["cores"]} cores used'
        f'{load}, {machine["capability"]}; torch {machine["torch"]}, Python {machine["python"]}'
    )
