# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Speed of a data pipeline, compared with only decoding and resizing the same files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dataset import Compose

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
    """Time a dataset's pipeline against decoding and resizing the same images, in turns.

    Args:
        dataset (Any): A ``BaseDataset`` or a wrapper of one.
        size (tuple[int, int]): Height and width after resizing.
        count (int): Maximum number of images per turn, spread evenly over the dataset. Defaults to
            200.
        turns (int): Number of timed turns. Defaults to 5.
        clock (Callable[[], float]): One of :data:`.CLOCKS`. Defaults to ``'wall'``.

    Returns:
        Results for one process: ``images``, the number of different images per turn; ``rate``,
        images per second through the whole pipeline; ``bare_rate``, images per second for decoding
        and resizing, and ``share``, ``rate / bare_rate``, both None if samples are not files;
        ``steps``, milliseconds per image for each transform, by its number and name.
    """
    indices = spread(len(dataset), count)
    times = time_pipeline(dataset, indices, size, turns, clock)
    rates = {name: len(indices) / measured.median for name, measured in times.items()}
    bare_rate = rates.get('bare')
    return dict(
        images=len(indices),
        rate=rates['pipeline'],
        bare_rate=bare_rate,
        share=bare_rate and rates['pipeline'] / bare_rate,
        steps=_time_steps(dataset, indices, clock),
    )


def time_pipeline(
    dataset: Any,
    indices: Sequence[int],
    size: tuple[int, int],
    turns: int,
    clock: Callable[[], float],
) -> dict[str, Measurement]:
    """Time a pipeline and, if samples are files, decoding and resizing the same images, in turns.

    Returns:
        Times of ``'pipeline'`` and ``'bare'``, for all images together.
    """
    paths = [dataset.get_data_info(index).get('img_path') for index in indices]
    runs = {'pipeline': lambda: [dataset[index] for index in indices]}
    if all(path and Path(path).is_file() for path in paths):
        read = LoadFaceImage()
        for path in paths:  # raises here for images that the pipeline cannot read
            read(dict(img_path=path))
        runs['bare'] = lambda: [decode_and_resize(path, size) for path in paths]
    with _one_thread():
        return interleave(runs, turns, clock=clock)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run OpenCV with one thread, as in the workers of a data loader."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def decode_and_resize(path: str, size: tuple[int, int]) -> np.ndarray:
    """Decode and resize an image, the minimum work of any pipeline: (height, width, 3), uint8."""
    with open(path, 'rb') as file:  # faster than np.fromfile and cv2.imread
        content = file.read()
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)


def _time_steps(
    dataset: Any, indices: Sequence[int], clock: Callable[[], float]
) -> dict[str, float]:
    """Return the milliseconds per image of each transform."""
    spent: dict[str, float] = {}
    with _one_thread(), _detached_pipeline(dataset) as steps:
        for index in indices:
            sample = dataset[index]
            for number, step in enumerate(steps):
                begin = clock()
                sample = step(sample)
                name = f'{number} {type(step).__name__}'
                spent[name] = spent.get(name, 0.0) + clock() - begin
    return {name: seconds / len(indices) * 1e3 for name, seconds in spent.items()}


@contextmanager
def _detached_pipeline(dataset: Any) -> Iterator[list[Callable]]:
    """Remove the pipeline from a dataset, which then returns raw samples, and return its steps.

    The samples of ``get_data_info`` are not always the input of the pipeline: SynthFace adds the
    image later.
    """
    leaves = leaf_datasets(dataset)
    pipelines = [leaf.pipeline for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.pipeline = Compose([])
        yield pipelines[0].transforms  # concatenated datasets have similar pipelines
    finally:
        for leaf, pipeline in zip(leaves, pipelines, strict=True):
            leaf.pipeline = pipeline
