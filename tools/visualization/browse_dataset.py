# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw a contact sheet of a dataset, as it is stored or as the network sees it.

    python tools/visualization/browse_dataset.py CONFIG --split val --mode pipeline --out a.png

Needs no display: the sheet is written to a file.
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

from mmfer.registry import DATASETS, MODELS
from mmfer.utils.config_options import merge_options, parse_options

STRIP = 18  # height of a line of text, pixels


class Frame(NamedTuple):
    """One picture of the sheet."""

    title: str
    image: np.ndarray  # (H, W, 3) uint8, BGR
    landmarks: np.ndarray | None = None  # (N, 2), pixels of the image


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Draw a contact sheet of a dataset')
    parser.add_argument('config', help='config file with a data loader for the split')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument(
        '--mode',
        choices=('original', 'transformed', 'pipeline'),
        default='transformed',
        help='pictures as stored; as the network gets them, after the data preprocessor and with '
        'normalisation undone; or one row a picture with every step (default: transformed)',
    )
    parser.add_argument('--num', type=int, help='number of pictures (default: 48, pipeline: 8)')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/browse_dataset'),
        help='image file, or folder for <config>_<split>_<mode>.png (default: %(default)s)',
    )
    parser.add_argument('--tile', type=int, default=136, help='width of a picture, pixels')
    parser.add_argument('--landmarks', action='store_true', help='mark the landmarks, if there are')
    parser.add_argument('--seed', type=int, default=0, help='of the augmentation')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='override settings of the config; an unknown key is an error',
    )
    args = parser.parse_args()
    if args.num is None:
        args.num = 8 if args.mode == 'pipeline' else 48
    if args.num < 1 or args.tile < 16:
        parser.error(f'--num must be at least 1 and --tile at least 16: {args.num}, {args.tile}')
    return args


def build_preprocessor(cfg: Config):
    """Build the model's data preprocessor, which finishes what the pipeline began."""
    preprocessor = cfg.get('model', {}).get('data_preprocessor') or cfg.get('data_preprocessor')
    return MODELS.build({'type': 'FaceDataPreprocessor', **(preprocessor or {})})


def network_input(packed: dict, preprocessor, training: bool) -> np.ndarray:
    """Run one packed sample through the preprocessor and undo its normalisation.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    image = preprocessor(default_collate([packed]), training=training)['inputs'][0]
    if hasattr(preprocessor, 'mean'):
        image = image * preprocessor.std + preprocessor.mean
    if preprocessor.to_rgb:
        image = image.flip(0)
    return image.clamp(0, 255).round().byte().permute(1, 2, 0).contiguous().numpy()


def detach_pipeline(dataset) -> list:
    """Take the pipeline's steps out of a dataset, which from then on gives what they start from."""
    holder = dataset
    while hasattr(holder, 'dataset'):  # wrappers such as ClassBalancedDataset
        holder = holder.dataset
    steps = holder.pipeline.transforms
    holder.pipeline = Compose([])
    return steps


def frames_of(dataset, steps: list, index: int, preprocessor, training: bool) -> list[Frame]:
    """Follow one sample through the pipeline, one frame for each step that leaves an image."""
    data = dataset[index]
    frames = []
    for step in [None, *steps]:
        data = data if step is None else step(data)
        if 'img' in data:
            title = 'stored' if step is None else type(step).__name__
            # Only keypoints in mmcv's sense follow the picture through the pipeline.
            landmarks = data.get('gt_keypoints', data.get('landmarks') if step is None else None)
            if landmarks is not None:
                landmarks = np.asarray(landmarks).reshape(-1, np.shape(landmarks)[-1])[:, :2].copy()
            frames.append(Frame(title, data['img'].copy(), landmarks))
    if 'inputs' in data:
        frames.append(Frame('network input', network_input(data, preprocessor, training)))
    return frames


def label_of(dataset, index: int) -> str:
    """Text under a picture: the class, or else the file's name, or else the index."""
    info = dataset.get_data_info(index)
    label, classes = info.get('gt_label'), dataset.metainfo.get('classes')
    if label is not None:
        return str(classes[int(label)]) if classes else str(label)
    return Path(info['img_path']).stem if info.get('img_path') else str(index)


def draw_tile(frame: Frame, text: str, width: int) -> np.ndarray:
    """Draw a picture of the given width over a line of text: (width + STRIP, width, 3)."""
    height, width_before = frame.image.shape[:2]
    scale = width / max(height, width_before)
    size = max(round(width_before * scale), 1), max(round(height * scale), 1)
    image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    for x, y in [] if frame.landmarks is None else frame.landmarks * scale:
        cv2.circle(image, (round(float(x)), round(float(y))), 1, (0, 255, 255), -1, cv2.LINE_AA)
    tile = np.full((width + STRIP, width, 3), 255, np.uint8)
    tile[: size[1], : size[0]] = image
    place = (2, width + STRIP - 5)
    cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return tile


def tile_rows(rows: list[list[np.ndarray]], gap: int = 4) -> np.ndarray:
    """Join tiles of one size into a white sheet; rows may differ in length."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    shape = len(rows) * (height + gap) + gap, columns * (width + gap) + gap, 3
    sheet = np.full(shape, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            top, left = gap + i * (height + gap), gap + j * (width + gap)
            sheet[top : top + height, left : left + width] = tile
    return sheet


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmfer'))
    merge_options(cfg, parse_options(args.cfg_options))
    set_random_seed(args.seed)

    loader = cfg.get(f'{args.split}_dataloader')
    if loader is None:
        raise SystemExit(f'{args.config} has no {args.split}_dataloader; see --split')
    dataset = DATASETS.build(loader.dataset)
    steps = detach_pipeline(dataset)
    preprocessor = build_preprocessor(cfg)

    # Spread over the whole list, which may be sorted by class.
    num = min(args.num, len(dataset))
    rows = []
    for index in np.linspace(0, len(dataset) - 1, num).round().astype(int).tolist():
        frames = frames_of(dataset, steps, index, preprocessor, args.split == 'train')
        if not args.landmarks:
            frames = [frame._replace(landmarks=None) for frame in frames]
        label = label_of(dataset, index)
        if args.mode == 'pipeline':
            titles = [label, *(frame.title for frame in frames[1:])]
            rows.append([draw_tile(f, t, args.tile) for f, t in zip(frames, titles, strict=True)])
        else:
            frame = frames[0 if args.mode == 'original' else -1]
            rows.append([draw_tile(frame, label, args.tile)])
    if args.mode != 'pipeline':
        columns = round(math.sqrt(num * 1.5))  # a sheet wider than high
        tiles = [row[0] for row in rows]
        rows = [tiles[i : i + columns] for i in range(0, num, columns)]

    out = args.out
    if not out.suffix:
        out = out / f'{Path(args.config).stem}_{args.split}_{args.mode}.png'
    out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(out), tile_rows(rows)):
        raise SystemExit(f"OpenCV cannot write '{out}'")
    print(f'{num} of {len(dataset)} pictures of {args.split}: {out}')


if __name__ == '__main__':
    main()
