# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Try a model in the browser: faces, scores, and the patches that its pooling keeps.

    python -m mmfer serve --model apvit-1234abcd.safetensors
    python -m mmfer serve --model epoch_12.pth --aligned

Then open the printed URL; Ctrl-C stops the server. Images are only in memory while they are
processed: nothing is stored, logged or sent elsewhere, and the page loads nothing from elsewhere.

Needs `pip install starlette uvicorn`. Exit status: 0 if stopped by Ctrl-C; 2 if the arguments or
the model are wrong, the port is in use or a package is missing.
"""

import argparse
import sys
from pathlib import Path

from .inferencer_arguments import add_face_arguments, add_model_arguments, make_inferencer

PACKAGES = ('starlette', 'uvicorn')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    add_face_arguments(parser)
    group = parser.add_argument_group('page')
    group.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen on (default: 127.0.0.1, which only this machine can reach)',
    )
    group.add_argument(
        '--port', type=int, default=7860, help='port; 0 for any free one (default: 7860)'
    )
    group.add_argument(
        '--max-megabytes',
        type=float,
        default=10,
        help='largest file size, in 10^6 bytes (default: 10)',
        metavar='MB',
    )
    group.add_argument(
        '--max-megapixels',
        type=float,
        default=25,
        help='largest image size, in 10^6 pixels (default: 25)',
        metavar='MP',
    )


def run(args: argparse.Namespace) -> int:
    from . import CommandError

    # Imported late so that --help is quick.
    try:
        from mmfer.serve import server
        from mmfer.serve.app import build_app
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        raise CommandError(
            f'serve needs {error.name}, which is not installed: pip install {" ".join(PACKAGES)}'
        ) from error
    from mmfer.serve.drawn_faces import DrawnFaces
    from mmfer.serve.page_model import PageModel

    limits = _limits(args)
    # Before the model is loaded, so that a port in use is an error at once.
    with _listen(args) as listener:
        inferencer = make_inferencer(args)
        app = build_app(
            PageModel(inferencer, _name(args.model)),
            DrawnFaces(inferencer.cfg, args.aligned),
            limits,
            server.host_names(args.host),
        )
        if not server.is_loopback(args.host):
            print(
                f'warning: everybody who can reach this machine at {args.host} can open the page '
                'and send images to it, unencrypted and without a password; if you offer it to '
                'others, you are responsible for how it is used',
                file=sys.stderr,
            )
        print(f'{server.address(listener)}  (Ctrl-C stops the server)', flush=True)
        try:
            server.make_server(app).run(sockets=[listener])
        except KeyboardInterrupt:  # uvicorn raises it again after shutting down
            print()
    return 0


def _limits(args: argparse.Namespace):
    from mmfer.serve.uploads import MEGABYTE, MEGAPIXEL, UploadLimits

    from . import CommandError

    try:
        return UploadLimits(
            round(args.max_megabytes * MEGABYTE), round(args.max_megapixels * MEGAPIXEL)
        )
    except (OverflowError, ValueError) as error:
        raise CommandError(f'--max-megabytes and --max-megapixels: {error}') from error


def _listen(args: argparse.Namespace):
    from mmfer.serve.server import listen

    from . import CommandError

    if not 0 <= args.port < 2**16:
        raise CommandError(f'--port must be 0 to 65535, not {args.port}')
    try:
        return listen(args.host, args.port)
    except OSError as error:
        raise CommandError(
            f'cannot listen on {args.host}, port {args.port}: {error.strerror or error}; set '
            'another --host or --port'
        ) from error


def _name(model: str) -> str:
    """Name of the model on the page, without its folders on this machine."""
    return '/'.join(Path(model).parts[-2:])
