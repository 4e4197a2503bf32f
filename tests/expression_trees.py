# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write small synthetic FERPlus, AffectNet, SFEW, ExpW, Aff-Wild2 and CIFAR-10 datasets."""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from face_trees import write_folders, write_image
from mmpretrain.datasets import CIFAR10

from mmfer.datasets import ACTION_UNITS
from mmfer.registry import DATASETS

FERPLUS_USAGES = ('Training', 'PublicTest', 'PrivateTest')
SFEW_EMOTIONS = ('Angry', 'Disgust', 'Fear', 'Happy', 'Neutral', 'Sad', 'Surprise')

AFFWILD2_PARTS = ('Train_Set', 'Validation_Set')
AFFWILD2_EXPRESSIONS = 'Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise'

VOTES_HEADER = (
    'Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF'
)
AFFECTNET_HEADER = (
    'subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,'
    'valence,arousal'
)


def fer2013_pixels(number: int) -> np.ndarray:
    """Return the image of a row of :func:`write_ferplus`, (48, 48) uint8."""
    return np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)


def write_ferplus(root: Path, rows: Iterable[tuple[str, Sequence[int]]]) -> Path:
    """Write both tables from usage and ten votes per row; a row with ten NF votes has no name."""
    root.mkdir(parents=True, exist_ok=True)
    votes_lines, pixel_lines = [VOTES_HEADER], ['emotion,pixels,Usage']
    for number, (usage, votes) in enumerate(rows):
        name = '' if votes[9] == 10 else f'fer{number:07d}.png'
        votes_lines.append(','.join([usage, name, *map(str, votes)]))
        pixels = ' '.join(map(str, fer2013_pixels(number).ravel()))
        pixel_lines.append(f'0,{pixels},{usage}')
    (root / 'fer2013new.csv').write_text('\n'.join(votes_lines) + '\n')
    (root / 'fer2013.csv').write_text('\n'.join(pixel_lines) + '\n')
    return root


def unanimous(column: int) -> list[int]:
    """Return ten votes for one column of FER+."""
    return [10 * (index == column) for index in range(10)]


def affectnet_row(
    name: str, expression: int, box: Sequence = (2, 3, 16, 18), place: Sequence = (0.1, -0.2)
) -> str:
    """Return a line of AffectNet's lists; box: x, y, width, height; place: valence, arousal."""
    landmarks = ';'.join(['8.5'] * 136)
    return ','.join([name, *map(str, box), landmarks, str(expression), *map(str, place)])


def write_affectnet_lists(
    root: Path, train: Sequence[int], val: Sequence[int], val_header: bool = True
) -> Path:
    """Write the release with lists, one image per expression number."""
    (root / 'Manually_Annotated_file_lists').mkdir(parents=True)
    (root / 'Manually_Annotated_Images').mkdir()
    for part, labels, header in (('training', train, True), ('validation', val, val_header)):
        lines = [AFFECTNET_HEADER] if header else []
        for number, label in enumerate(labels):
            name = f'{number % 3 + 1}/{part}{number:03d}.jpg'
            lines.append(affectnet_row(name, label))
            write_image(root / 'Manually_Annotated_Images' / name)
        path = root / f'Manually_Annotated_file_lists/{part}.csv'
        path.write_text('\n'.join(lines) + '\n')
    return root


def write_affectnet_folders(root: Path, train: Sequence[int], val: Sequence[int]) -> Path:
    """Write the release with folders; labels are strings in npy files, as in the real one."""
    for part, labels in (('train', train), ('val', val)):
        annotations = root / f'{part}_set/annotations'
        annotations.mkdir(parents=True)
        for number, label in enumerate(labels):
            write_image(root / f'{part}_set/images/{number}.jpg')
            np.save(annotations / f'{number}_exp.npy', np.array(str(label)))
            np.save(annotations / f'{number}_val.npy', np.array('0.1'))
            np.save(annotations / f'{number}_aro.npy', np.array('-0.2'))
    return root


def write_sfew(root: Path, counts: Mapping[str, int]) -> Path:
    """Write ``count`` images into each emotion's folder of a split; {'Train/…': count}."""
    for part, count in counts.items():
        write_folders(root / part, dict.fromkeys(SFEW_EMOTIONS, count))
    return root


def expw_line(
    name: str, label: int, face: int = 0, box: Sequence = (3, 2, 18, 20), confidence: float = 80.0
) -> str:
    """Return a line of ExpW's label file; the box is top, left, right, bottom."""
    return ' '.join(map(str, [name, face, *box, confidence, label]))


def write_expw(root: Path, lines: Sequence[str]) -> Path:
    """Write the label file and 24x24 images."""
    (root / 'data/label').mkdir(parents=True)
    (root / 'data/label/label.lst').write_text(''.join(f'{line}\n' for line in lines))
    for line in lines:
        write_image(root / 'data/image/origin' / line.split()[0])
    return root


def write_affwild2(
    root: Path,
    expressions: Mapping[str, Sequence[int]],
    units: Mapping[str, Sequence[int | Sequence[int]]],
    missing: Iterable[str] = (),
    tracks: Sequence[str] = ('EXPR_Set', 'AU_Set', 'VA_Set'),
    size: int = 24,
    places: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> Path:
    """Write the tracks of Aff-Wild2 and the frames.

    Args:
        root: Output folder.
        expressions: Class numbers of a video's frames, in the order of the files, such as
            ``{'Train_Set/video1': [0, -1, 4]}``.
        units: 12 numbers per frame, or one number for all units.
        missing: Frames without an image, such as ``'video1/00002'``.
        tracks: Names of the folders.
        size: Side of the images.
        places: Valence and arousal per frame, (-5, -5) if it is not annotated. None writes no such
            track.
    """
    lengths = {}
    contents = [(AFFWILD2_EXPRESSIONS, expressions), (','.join(ACTION_UNITS), units)]
    if places is not None:
        contents.append(('valence,arousal', places))
    for track, (header, lists) in zip(tracks, contents, strict=False):
        for part in AFFWILD2_PARTS:
            (root / 'annotations' / track / part).mkdir(parents=True, exist_ok=True)
        for name, rows in lists.items():
            if lists is units:
                rows = [[row] * 12 if isinstance(row, int) else row for row in rows]
            if lists is not expressions:
                rows = [','.join(map(str, row)) for row in rows]
            text = '\n'.join([header, *map(str, rows)]) + '\n'
            (root / 'annotations' / track / f'{name}.txt').write_text(text)
            video = Path(name).name
            lengths[video] = max(lengths.get(video, 0), len(rows))
    for video, length in lengths.items():
        (root / 'cropped_aligned' / video).mkdir(parents=True)
        for name in (f'{video}/{frame:05d}' for frame in range(1, length + 1)):
            if name not in missing:
                write_image(root / f'cropped_aligned/{name}.jpg', size, size)
    return root


@DATASETS.register_module()
class MadeUpCIFAR10(CIFAR10):
    """mmpretrain's CIFAR-10 without checksums, so that it reads synthetic files."""

    train_list = [['data_batch_1', None]]
    test_list = [['test_batch', None]]


def write_cifar10(root: Path, count: int = 10) -> Path:
    """Write a training and a test batch in the layout of CIFAR-10."""
    folder = root / 'cifar-10-batches-py'
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3072), dtype=np.uint8)
    batch = dict(data=pixels, labels=[index % 10 for index in range(count)])
    for name in ('data_batch_1', 'test_batch'):
        (folder / name).write_bytes(pickle.dumps(batch))
    return root


def expression_roots(folder: Path) -> dict[str, Path]:
    """Write all datasets with a few images per class and split; return data roots by dataset type.

    Read the folder of ``CIFAR10`` with :class:`MadeUpCIFAR10`.
    """
    eight = list(range(8)) * 2
    votes = [(usage, unanimous(c)) for usage in FERPLUS_USAGES for c in eight]
    names = [f'actor_{number}.jpg' for number in range(60)]
    return {
        'FERPlus': write_ferplus(folder / 'ferplus', votes),
        'AffectNet': write_affectnet_lists(folder / 'affectnet_lists', eight, eight),
        'SFEW': write_sfew(folder / 'sfew', {'Train': 2, 'Val': 1}),
        'ExpW': write_expw(
            folder / 'expw', [expw_line(name, i % 7) for i, name in enumerate(names)]
        ),
        'AffWild2': write_affwild2(
            folder / 'affwild2',
            {f'{part}/{part}': [*range(7), -1] for part in AFFWILD2_PARTS},
            {f'{part}/{part}': [-1, 0, 1, -1, 0, 1, 0, 1] for part in AFFWILD2_PARTS},
            places={
                f'{part}/{part}': [(0.1 * n - 0.3, -0.2 * n) if n else (-5, -5) for n in range(5)]
                for part in AFFWILD2_PARTS
            },
        ),
        'CIFAR10': write_cifar10(folder / 'cifar10'),
    }
