# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Pack FERPlus's gray 48x48 images and votes into one small archive, and unpack them elsewhere.

For machines without a network. Images are tiles of lossless WebP sheets, and equal images are
stored once, so the archive has two thirds of the size of the PNG files. No pixel is changed.

Examples:
    python tools/misc/pack_ferplus.py pack data/ferplus ferplus.tar.gz
    python tools/misc/pack_ferplus.py unpack ferplus.tar.gz data/ferplus
"""

import argparse
import csv
import io
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from mmfer.utils.config_arguments import tool_parser

VOTES, NAMES, IMAGES = 'fer2013new.csv', 'names.csv', 'images'
_SIDE, _ACROSS = 48, 32  # pixels of a tile, tiles of a sheet's row and column
_TILES = _ACROSS**2
_LOSSLESS = 101  # a quality above 100, in OpenCV


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('action', choices=['pack', 'unpack'])
    parser.add_argument('source', type=Path, help=f'folder with {VOTES} and {IMAGES}/; archive')
    parser.add_argument('target', type=Path, help='archive (.tar.gz); folder')
    return parser.parse_args(argv)


def pack(folder: Path, archive: Path) -> int:
    """Write the archive; return the number of images.

    Raises:
        ValueError: An image is not gray or not 48x48, or there is none.
    """
    import cv2
    import numpy as np

    from mmfer.utils.atomic_file import replacing

    names, tiles = [], {}
    for path in sorted((folder / IMAGES).glob('*/*.png')):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None or image.shape != (_SIDE, _SIDE) or image.dtype != np.uint8:
            raise ValueError(f'{path} is not a gray image of {_SIDE}x{_SIDE} pixels')
        number = tiles.setdefault(image.tobytes(), len(tiles))
        names.append(f'{path.parent.name}/{path.name},{number}')
    if not names:
        raise ValueError(f'there is no image *.png in the subfolders of {folder / IMAGES}')
    pixels = np.zeros((-(-len(tiles) // _TILES), _ACROSS, _ACROSS, _SIDE, _SIDE), np.uint8)
    for number, tile in enumerate(tiles):
        at = np.unravel_index(number, pixels.shape[:3])
        pixels[at] = np.frombuffer(tile, np.uint8).reshape(_SIDE, _SIDE)
    with replacing(archive) as file, tarfile.open(fileobj=file, mode='w:gz') as tar:
        _add(tar, VOTES, (folder / VOTES).read_bytes())
        _add(tar, NAMES, '\n'.join(names).encode())
        for number, sheet in enumerate(pixels):
            sheet = sheet.swapaxes(1, 2).reshape(_ACROSS * _SIDE, -1)
            _, content = cv2.imencode('.webp', sheet, [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS])
            _add(tar, f'{number}.webp', content.tobytes())
    return len(names)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def unpack(archive: Path, folder: Path) -> int:
    """Write votes and images; return the number of images.

    Only members with the names that :func:`pack` writes are read; no path in the archive is used.

    Raises:
        ValueError: A name leads out of the folder, or the archive is not one of :func:`pack`.
    """
    import cv2
    import numpy as np

    from mmfer.utils.atomic_file import atomic_write
    from mmfer.utils.inside import path_inside

    with tarfile.open(archive) as tar:
        try:
            content = {member.name: tar.extractfile(member).read() for member in tar}
            votes, names = content[VOTES], content[NAMES].decode()
        except (AttributeError, KeyError) as error:
            raise ValueError(f'{archive} was not made by pack_ferplus.py: {error}') from error
    sheets = [
        cv2.imdecode(np.frombuffer(content[f'{number}.webp'], np.uint8), cv2.IMREAD_GRAYSCALE)
        .reshape(_ACROSS, _SIDE, _ACROSS, _SIDE)
        .swapaxes(1, 2)
        for number in range(len(content) - 2)
    ]
    tiles = np.stack(sheets).reshape(-1, _SIDE, _SIDE)
    rows = list(csv.reader(io.StringIO(names)))
    for name, number in rows:
        path = path_inside(folder / IMAGES, name, archive)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), tiles[int(number)])
    atomic_write(folder / VOTES, votes)
    return len(rows)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        count = (pack if args.action == 'pack' else unpack)(args.source, args.target)
    except (ValueError, OSError, tarfile.TarError) as error:
        sys.exit(f'error: {error}')
    size = (args.source if args.action == 'unpack' else args.target).stat().st_size
    print(f'{count} images, {size / 1e6:.1f} MB: {args.target}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
