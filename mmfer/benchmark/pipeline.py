# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How quick a data pipeline is, against no more than decoding and resizing the same files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmfer.datasets.determinism import leaf_datasets
from mmfer.datasets.transforms import LoadFaceImage
from mmfer.inference.split_loader import spread

from .timing import CLOCKS, Measurement, interleave


def measure_pipeline(
    dataset: Any,
    size: tuple[int, int],
    count: int = 200,
    turns: int = 5,
    clock: Callable[[], float] = CLOCKS['wall'],
) -> dict[str, Any]:
    """Time a dataset's pipeline and the bare work on the same images, in turn.

    Args:
        dataset (Any): A ``BaseDataset`` or a wrapper of one.
        size (tuple[int, int]): Height and width that the bare work resizes to.
        count (int): How many images a turn, at even distances, at most all. Defaults to 200.
        turns (int): How often each is timed. Defaults to 5.
        clock (Callable[[], float]): One of :data:`.CLOCKS`. Defaults to ``'wall'``.

    Returns:
        What one process does: ``images``, how many different images were read in a turn;
        ``rate``, images a second through the whole pipeline; ``bare_rate``, images a second decoded
        and resized, nan for data that are no files; ``share``, ``rate / bare_rate``; ``steps``,
        milliseconds an image of each step of the pipeline, by its number and name.
    """
    indices = spread(len(dataset), count)
    times = time_pipeline(dataset, indices, size, turns, clock)
    rates = {name: len(indices) / measured.median for name, measured in times.items()}
    bare_rate = rates.get('bare', float('nan'))
    return dict(
        images=len(indices),
        rate=rates['pipeline'],
        bare_rate=bare_rate,
        share=rates['pipeline'] / bare_rate,
        steps=_time_steps(dataset, indices, clock),
    )


def time_pipeline(
    dataset: Any,
    indices: Sequence[int],
    size: tuple[int, int],
    turns: int,
    clock: Callable[[], float],
) -> dict[str, Measurement]:
    """Time a pipeline and, for data that are files, the bare work on the same images, in turn.

    Returns:
        Of ``'pipeline'`` and ``'bare'``, for all images together.
    """
    paths = [dataset.get_data_info(index).get('img_path') for index in indices]
    runs = {'pipeline': lambda: [dataset[index] for index in indices]}
    if all(path and Path(path).is_file() for path in paths):
        read = LoadFaceImage()
        for path in paths:  # an image that it refuses is not decoded below either
            read(dict(img_path=path))
        runs['bare'] = lambda: [decode_and_resize(path, size) for path in paths]
    with _one_thread():
        return interleave(runs, turns, clock=clock)


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV as in the workers of a data loader."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def decode_and_resize(path: str, size: tuple[int, int]) -> np.ndarray:
    """The least that any pipeline does: (height, width, 3), uint8."""
    with open(path, 'rb') as file:  # quicker than np.fromfile and cv2.imread
        content = file.read()
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)


def _time_steps(
    dataset: Any, indices: Sequence[int], clock: Callable[[], float]
) -> dict[str, float]:
    """Milliseconds an image of each step."""
    base = leaf_datasets(dataset)[0]  # those that are concatenated have like pipelines
    spent: dict[str, float] = {}
    with _one_thread():
        for index in indices:
            sample = dataset.get_data_info(index)
            for number, step in enumerate(base.pipeline.transforms):
                begin = clock()
                sample = step(sample)
                name = f'{number} {type(step).__name__}'
                spent[name] = spent.get(name, 0.0) + clock() - begin
    return {name: seconds / len(indices) * 1e3 for name, seconds in spent.items()}
