# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw a sheet of images of a dataset, as they are stored or as the model sees them.

    python tools/visualization/browse_dataset.py CONFIG --split val --mode pipeline --out a.png

Needs no display: the sheet is written to a file. With --landmarks, points on the viewer's left are
blue, on the right orange and in the middle white, by their index. A point with the color of the
other side was mirrored without being renumbered.
"""

import argparse
import copy
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from mmfer.utils.config_arguments import add_config_options, tool_parser

if TYPE_CHECKING:
    from mmengine.config import Config

STRIP = 18  # height of a line of text, pixels
# Okabe and Ito's colors, which people with color blindness can tell apart too; BGR.
BLUE, ORANGE, WHITE, GREEN = (233, 180, 86), (0, 159, 230), (255, 255, 255), (115, 158, 0)


class Frame(NamedTuple):
    """One image of the sheet."""

    title: str
    image: np.ndarray  # (H, W, 3) uint8, BGR
    landmarks: np.ndarray | None = None  # (N, 2), pixels of the image
    box: np.ndarray | None = None  # (4,), x1, y1, x2, y2


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file with a data loader for the split')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument(
        '--mode',
        choices=('original', 'transformed', 'concat', 'pipeline'),
        default='transformed',
        help='original: images as stored; transformed: the input of the model, after the data '
        'preprocessor and without normalization; concat: both side by side; pipeline: one row per '
        'image with every step (default: transformed)',
    )
    parser.add_argument('--num', type=int, help='number of images (default: 48, pipeline: 8)')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/browse_dataset'),
        help='image file, or folder for <config>_<split>_<mode>.png (default: %(default)s)',
    )
    parser.add_argument(
        '--tile', type=int, default=136, help='width of an image in pixels (default: 136)'
    )
    parser.add_argument('--landmarks', action='store_true', help='draw landmarks, if there are any')
    parser.add_argument('--box', action='store_true', help='draw the face box, if there is one')
    parser.add_argument('--seed', type=int, default=0, help='seed of the augmentation (default: 0)')
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.num is None:
        args.num = 8 if args.mode == 'pipeline' else 48
    if args.num < 1 or args.tile < 16:
        parser.error(f'--num must be at least 1 and --tile at least 16: {args.num}, {args.tile}')
    return args


def build_preprocessor(cfg: 'Config'):
    """Build the model's data preprocessor, the last step after the pipeline."""
    from mmfer.registry import MODELS

    preprocessor = cfg.get('model', {}).get('data_preprocessor') or cfg.get('data_preprocessor')
    return MODELS.build({'type': 'FaceDataPreprocessor', **(preprocessor or {})})


def network_input(packed: dict, preprocessor, training: bool) -> np.ndarray:
    """Run one packed sample through the preprocessor and undo its normalization.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    from mmengine.dataset import default_collate

    image = preprocessor(default_collate([packed]), training=training)['inputs'][0]
    if hasattr(preprocessor, 'mean'):
        image = image * preprocessor.std + preprocessor.mean
    if preprocessor.to_rgb:
        image = image.flip(0)
    return image.clamp(0, 255).round().byte().permute(1, 2, 0).contiguous().numpy()


def detach_pipeline(dataset) -> list:
    """Remove the pipeline from a dataset, which then returns raw samples; return its steps."""
    from mmengine.dataset import Compose

    from mmfer.datasets.determinism import leaf_datasets

    leaves = leaf_datasets(dataset)
    pipeline = leaves[0].pipeline
    for leaf in leaves:
        if repr(leaf.pipeline) != repr(pipeline):
            raise SystemExit(
                'the concatenated datasets have different pipelines; browse them one by one, with '
                'a separate config for each'
            )
    for leaf in leaves:
        leaf.pipeline = Compose([])
    return pipeline.transforms


def frames_of(dataset, steps: list, index: int, preprocessor, training: bool) -> list[Frame]:
    """Run one sample through the pipeline, and return a frame for each step that has an image."""
    data = dataset[index]
    frames = []
    for step in [None, *steps]:
        data = data if step is None else step(data)
        if 'img' in data:
            title = 'stored' if step is None else type(step).__name__
            # As in the sample, right or wrong: this shows a step that forgets to move them.
            places = (copy.copy(data.get(key)) for key in ('gt_landmarks', 'face_box'))
            frames.append(Frame(title, data['img'].copy(), *places))
    if 'inputs' in data:
        # Neither packing nor the preprocessor moves points or boxes.
        image = network_input(data, preprocessor, training)
        frames.append(frames[-1]._replace(title='network input', image=image))
    return frames


def label_of(dataset, index: int) -> str:
    """Return the text under an image: its labels, or else its name or index."""
    info = dataset.get_data_info(index)
    classes = dataset.metainfo.get('classes')
    words = []
    if info.get('gt_label') is not None and classes:
        label = int(info['gt_label'])
        words.append(str(classes[label]) if label >= 0 else 'no class')
    if info.get('gt_au') is not None and 'action_units' in dataset.metainfo:
        words.append(active_units(dataset.metainfo['action_units'], info['gt_au']))
    if info.get('gt_valence_arousal') is not None:
        valence, arousal = info['gt_valence_arousal']
        known = not np.isnan(valence + arousal)
        words.append(f'V {valence:.2f} A {arousal:.2f}' if known else 'no V, A')
    if info.get('gt_age') is not None:
        words.append(f'age {info["gt_age"]:.0f}')
    if info.get('attributes') is not None and 'attributes' in dataset.metainfo:
        names = zip(dataset.metainfo['attributes'], info['attributes'], strict=True)
        words.extend(name for name, present in names if present)
    if not words and info.get('gt_label') is not None:
        words.append(str(info['gt_label']))
    return ', '.join(words) or (Path(info['img_path']).stem if info.get('img_path') else str(index))


def active_units(names: Sequence[str], labels: np.ndarray) -> str:
    """List the active units, as 'AU 6 12 25'; 'no AU' if none is labeled."""
    if max(labels) < 0:
        return 'no AU'
    active = [name.removeprefix('AU') for name, unit in zip(names, labels, strict=True) if unit > 0]
    return ' '.join(['AU', *active]) if active else 'AU none'


def draw_tile(frame: Frame, text: str, width: int) -> np.ndarray:
    """Draw an image with this longer side above a line of text: (width + STRIP, width, 3)."""
    from mmfer.datasets.transforms.face_geometry import move_box, move_points, resize_map

    before = frame.image.shape[1::-1]
    size = tuple(max(round(length * width / max(before)), 1) for length in before)
    image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    matrix = resize_map(before, size)
    if frame.box is not None:
        corners = np.rint(move_box(frame.box, matrix).reshape(2, 2)).astype(int).tolist()
        cv2.rectangle(image, *corners, GREEN, 1)
    if frame.landmarks is not None:
        draw_points(image, move_points(frame.landmarks, matrix))
    tile = np.full((width + STRIP, width, 3), 255, np.uint8)
    tile[: size[1], : size[0]] = image
    draw_text(tile, text)
    return tile


def draw_points(image: np.ndarray, points: np.ndarray) -> None:
    """Draw landmarks in place, with a precision of 1/16 pixel and a color for each side."""
    from mmfer.wflw_points import FLIP_INDICES, LEFT_POINTS, NUM_LANDMARKS

    colors = np.full((len(points), 3), WHITE)
    if len(points) == NUM_LANDMARKS:
        colors[LEFT_POINTS], colors[FLIP_INDICES[LEFT_POINTS]] = BLUE, ORANGE
    colors = colors.tolist()
    radius = max(image.shape[1] / 170, 0.8)
    for index, (x, y) in enumerate(np.rint(points * 16).astype(int).tolist()):
        cv2.circle(image, (x, y), round(16 * radius), colors[index], -1, cv2.LINE_AA, shift=4)


def draw_text(tile: np.ndarray, text: str) -> None:
    """Draw a line of text in the strip of a tile, smaller if it does not fit."""
    scale, width = 0.42, tile.shape[1] - 4
    needed = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]
    scale *= min(1, max(width / needed, 0.7)) if needed else 1
    place = (2, tile.shape[0] - 5)
    cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)


def tile_rows(rows: list[list[np.ndarray]], gap: int = 4) -> np.ndarray:
    """Join tiles of equal size to a white sheet; rows may differ in length."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    shape = len(rows) * (height + gap) + gap, columns * (width + gap) + gap, 3
    sheet = np.full(shape, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            top, left = gap + i * (height + gap), gap + j * (width + gap)
            sheet[top : top + height, left : left + width] = tile
    return sheet


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Late, so that --help is quick.
    from mmengine.registry import init_default_scope
    from mmengine.runner import set_random_seed

    from mmfer.inference.split_loader import spread
    from mmfer.registry import DATASETS
    from mmfer.utils.config_options import parse_options, read_config

    cfg = read_config(args.config, parse_options(args.cfg_options))
    init_default_scope(cfg.get('default_scope', 'mmfer'))
    set_random_seed(args.seed)

    loader = cfg.get(f'{args.split}_dataloader')
    if loader is None:
        raise SystemExit(f'{args.config} has no {args.split}_dataloader; see --split')
    dataset = DATASETS.build(loader.dataset)
    steps = detach_pipeline(dataset)
    preprocessor = build_preprocessor(cfg)

    rows = []
    for index in spread(len(dataset), args.num):  # the list may be sorted by class
        frames = frames_of(dataset, steps, index, preprocessor, args.split == 'train')
        if not args.landmarks:
            frames = [frame._replace(landmarks=None) for frame in frames]
        if not args.box:
            frames = [frame._replace(box=None) for frame in frames]
        label = label_of(dataset, index)
        if args.mode == 'pipeline':
            titles = [label, *(frame.title for frame in frames[1:])]
            rows.append([draw_tile(f, t, args.tile) for f, t in zip(frames, titles, strict=True)])
        else:
            first, last = draw_tile(frames[0], label, args.tile), frames[-1]
            if args.mode == 'original':
                rows.append([first])
            elif args.mode == 'transformed':
                rows.append([draw_tile(last, label, args.tile)])
            else:
                rows.append([first, draw_tile(last, last.title, args.tile)])
    if args.mode != 'pipeline':
        each = len(rows[0])
        columns = max(round(math.sqrt(len(rows) * 1.5 / each)), 1) * each  # a sheet wider than high
        tiles = [tile for row in rows for tile in row]
        rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]

    out = args.out
    if not out.suffix:
        out = out / f'{Path(args.config).stem}_{args.split}_{args.mode}.png'
    out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(out), tile_rows(rows)):
        raise SystemExit(f"OpenCV cannot write '{out}'")
    print(f'{min(args.num, len(dataset))} of {len(dataset)} images of {args.split}: {out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
