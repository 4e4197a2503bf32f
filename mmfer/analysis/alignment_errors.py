# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Errors of aligned faces against labeled landmarks, from the report of an alignment."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmfer.datasets import WFLW
from mmfer.datasets.found_faces import read_report
from mmfer.faces import ALIGNED, POINT_NAMES
from mmfer.faces.point_errors import corner_error, eye_error, eye_slope

_POINT_COLUMNS = [f'{name}_{axis}' for name in POINT_NAMES for axis in 'xy']


@dataclass(frozen=True)
class AlignmentErrors:
    """Errors of one set of images.

    Attributes:
        num_images (int): Number of labeled images.
        names (list[str]): The N labeled images in which a face was aligned, at least one.
        eyes (np.ndarray): :func:`.eye_error` (N,), percent of the distance between the eyes.
        corners (np.ndarray): :func:`.corner_error` (N,), pixels of 112x112.
        slopes (np.ndarray): Absolute :func:`.eye_slope` (N,), degrees.
    """

    num_images: int
    names: list[str]
    eyes: np.ndarray
    corners: np.ndarray
    slopes: np.ndarray

    def __str__(self) -> str:
        found = len(self.names)
        lines = [
            f'{found} of {self.num_images} labeled images aligned '
            f'({100 * found / self.num_images:.1f} %)'
        ]
        for title, unit, values in (
            ('eye centers against labels', '% of eye distance', self.eyes),
            ('eye corners against template', 'px of 112x112', self.corners),
            ('slope of the eyes', 'degrees', self.slopes),
        ):
            worst = self.names[int(values.argmax())]
            lines.append(
                f'{title:32} mean {values.mean():5.2f}, 95th percentile '
                f'{np.percentile(values, 95):5.2f}, worst {values.max():5.2f} {unit} ({worst})'
            )
        return '\n'.join(lines)


def read_points(report: str | Path) -> dict[str, np.ndarray]:
    """Read the five points (5, 2) of each image in which a face was aligned.

    Raises:
        FileNotFoundError: The report does not exist.
        ValueError: The file is not an alignment report.
    """
    return {
        row['path']: np.array([float(row[c]) for c in _POINT_COLUMNS]).reshape(5, 2)
        for row in read_report(report, _POINT_COLUMNS)
        if row['decision'] == ALIGNED
    }


def read_wflw(data_root: str | Path) -> dict[str, list[np.ndarray]]:
    """Read the landmarks (98, 2) of all faces of each WFLW image, from the train and test lists."""
    labels = defaultdict(list)
    images = Path(data_root) / 'WFLW_images'
    for split in ('train', 'test'):
        dataset = WFLW(str(data_root), split)
        for index in range(len(dataset)):
            sample = dataset.get_data_info(index)
            name = Path(sample['img_path']).relative_to(images).as_posix()
            labels[name].append(sample['gt_landmarks'])
    return dict(labels)


def alignment_errors(
    points: dict[str, np.ndarray], labels: dict[str, list[np.ndarray]]
) -> AlignmentErrors:
    """Compare detected points with the labels.

    Args:
        points (dict[str, np.ndarray]): From :func:`read_points`. Unlabeled images are skipped.
        labels (dict[str, list[np.ndarray]]): From :func:`read_wflw`. If an image has several faces,
            the one whose eyes are closest to the detected eyes is used.

    Raises:
        ValueError: None of the images is labeled.
    """
    names = [name for name in points if name in labels]
    if not names:
        raise ValueError(
            f'none of {len(points)} aligned images is among the {len(labels)} labeled ones; was '
            'WFLW_images aligned, and not a folder above or below it?'
        )
    pairs = [
        (points[name], min(labels[name], key=lambda face, name=name: eye_error(points[name], face)))
        for name in names
    ]
    return AlignmentErrors(
        len(labels),
        names,
        np.array([eye_error(*pair) for pair in pairs]),
        np.array([corner_error(*pair) for pair in pairs]),
        np.array([abs(eye_slope(*pair)) for pair in pairs]),
    )
