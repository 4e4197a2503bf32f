# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Measurements as plain values for JSON and as text for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmfer.utils.markdown import markdown_table

from .timing import Measurement, ratio


def timing_rows(times: Mapping[str, Measurement], batch_size: int) -> list[dict[str, Any]]:
    """Return one row per variant. Speed-ups are relative to the first variant.

    Returns:
        Rows of ``name``, ``batch_size``, ``median_ms`` and ``iqr_ms`` (interquartile range) of a
        call, ``images_s`` (images per second), ``speed_up`` and its range over the turns, and
        ``times_s``.
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
                images_s=batch_size / measured.median,
                speed_up=against.value,
                speed_up_range=[against.low, against.high],
                times_s=list(measured.times),
            )
        )
    return rows


def timing_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of :func:`timing_rows` as a table."""
    lines = [['', 'batch', 'median, ms', 'IQR, ms', 'images/s', 'speed-up (range)']]
    for row in rows:
        low, high = row['speed_up_range']
        numbers = (f'{row[key]:.2f}' for key in ('median_ms', 'iqr_ms', 'images_s'))
        speed_up = f'{row["speed_up"]:.3f} ({low:.3f} to {high:.3f})'
        lines.append([row['name'], str(row['batch_size']), *numbers, speed_up])
    return markdown_table(lines)


def memory_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of ``name``, ``batch_size`` and ``bytes`` as a table."""
    lines = [['', 'batch', 'peak, MiB', 'MiB per image']]
    for row in rows:
        size, mebibytes = row['batch_size'], row['bytes'] / 2**20
        lines.append([row['name'], str(size), f'{mebibytes:.1f}', f'{mebibytes / size:.2f}'])
    return markdown_table(lines)


def pipeline_text(speed: Mapping[str, Any]) -> str:
    """Return the result of :func:`.measure_pipeline` as text."""
    lines = [['step', 'ms per image'], *((k, f'{ms:.3f}') for k, ms in speed['steps'].items())]
    bare = 'nothing is decoded, because the samples are not files'
    if speed['bare_rate'] is not None:
        bare = f'{speed["bare_rate"]:.0f} decoded and resized: {100 * speed["share"]:.0f} %'
    return f'{speed["rate"]:.0f} images/s through the pipeline, {bare}\n{markdown_table(lines)}'


def machine_text(machine: Mapping[str, Any]) -> str:
    """Describe the machine in one line."""
    load = f', load {machine["load"]}' if 'load' in machine else ''
    device = '' if machine['device'] == 'cpu' else f'{machine["device"]}; '
    return (
        f'{device}{machine["cpu"]}, {machine["threads"]} of {machine["cores"]} cores used'
        f'{load}, {machine["capability"]}; torch {machine["torch"]}, Python {machine["python"]}'
    )
