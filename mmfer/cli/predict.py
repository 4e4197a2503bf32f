# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Detect the faces in images and videos and run a model on each.

    python -m mmfer predict photos video.mp4 --model apvit-1234abcd.safetensors --out predictions
    python -m mmfer predict crops --model CONFIG --weights epoch_40.pth --aligned --out predictions
    python -m mmfer predict 0 --model ... --out predictions      (a camera; Ctrl-C stops it)

Writes to DIR: results.csv with one row per face, results.jsonl with one object per image or frame,
and the annotated images and videos. Both files are written line by line while the command runs.
Images without a face and unreadable files have a line with the reason.
DIR must be new, empty, or the output of an earlier run, so that no other files are replaced.

Exit status: 0; 1 if files could not be read (the others are processed anyway); 2 if the arguments
or the model are wrong; 130 if interrupted.
"""

import argparse
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

from mmfer.utils.config_arguments import add_former_name
from mmfer.utils.plural import plural

from .inferencer_arguments import add_face_arguments, add_model_arguments, make_inferencer

RESULTS = ('results.csv', 'results.jsonl')
LISTED = 10  # unreadable files printed by name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'inputs',
        nargs='+',
        metavar='INPUT',
        help='image (first frame if animated), video, folder (searched recursively), or camera '
        'number',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='output folder')
    add_model_arguments(parser).add_argument(
        '--batch-size',
        type=int,
        help='faces per forward pass (default: 8 on the CPU, else 32)',
    )
    add_face_arguments(parser)
    parser.add_argument(
        '--every',
        type=int,
        default=1,
        metavar='N',
        help='process every N-th frame of videos and cameras (default: 1)',
    )
    group = parser.add_argument_group('results')
    group.add_argument('--csv', action='store_true', help='write results.csv only')
    group.add_argument('--jsonl', action='store_true', help='write results.jsonl only')
    group.add_argument(
        '--no-draw', action='store_true', help='do not write annotated images and videos'
    )
    group.add_argument(
        '--show-patches',
        action='store_true',
        help='draw the patches that an APViT keeps, and write them to results.jsonl',
    )
    group.add_argument(
        '--stage',
        help='with --show-patches: draw the patches kept after this stage: app, layers.4, ... '
        '(default: the last one)',
    )
    limit = group.add_argument(
        '--max-images', type=int, metavar='N', help='stop after N images or frames'
    )
    add_former_name(group, '--max-pictures', limit)


def run(args: argparse.Namespace) -> int:
    from . import CommandError

    if args.stage and not args.show_patches:
        raise CommandError('--stage needs --show-patches')
    if args.max_images is not None and args.max_images < 1:
        raise CommandError(f'--max-images must be 1 or more, not {args.max_images}')
    inputs = [_parse_input(word, args.out) for word in args.inputs]
    if not args.no_draw:
        _check_free(args.out, inputs)
    inferencer = make_inferencer(args, batch_size=args.batch_size, every=args.every)
    if args.show_patches:
        try:
            inferencer.check_patches(args.stage)
        except ValueError as error:
            raise CommandError(error) from error
    return _predict(args, inputs, inferencer)


def _parse_input(word: str, out: Path) -> str | int:
    from . import CommandError

    path = Path(word).expanduser()
    if path.exists():
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise CommandError(
                f'--out {out} is inside the input folder {path}: the next run would read the '
                'annotated images as inputs; use a folder outside of it'
            )
        return str(path)
    if word.isdecimal():
        return int(word)
    if '://' in word:
        raise CommandError(f"'{word}' is a URL; download the file first and pass its path")
    raise CommandError(f"there is no image, video or folder '{word}'")


def _check_free(out: Path, inputs: list[str | int]) -> None:
    """Check that annotated images cannot replace other files in ``out``.

    Raises:
        CommandError: ``out`` contains an input or files that are not from an earlier run.
    """
    from mmfer.utils.files_below import is_junk

    from . import CommandError

    for path in (Path(item) for item in inputs if isinstance(item, str)):
        if path.resolve().parent == out.resolve():
            raise CommandError(
                f'--out {out} is the folder of the input {path}, which its annotated image could '
                'replace; use another folder or --no-draw'
            )
    if not out.is_dir() or any((out / name).exists() for name in RESULTS):
        return
    if any(not is_junk(path.name) for path in out.iterdir()):
        raise CommandError(
            f'--out {out} contains files that are not from an earlier run; annotated images with '
            'the same names would replace them; use a new folder or --no-draw'
        )


def _predict(args: argparse.Namespace, inputs: list[str | int], inferencer) -> int:
    from rich.console import Console
    from rich.progress import track

    from mmfer.inference.annotated_files import AnnotatedFiles
    from mmfer.inference.images import count_images
    from mmfer.inference.results import UNREADABLE
    from mmfer.inference.writers import JsonLinesWriter

    from . import INTERRUPTED, CommandError

    try:
        expected = count_images(inputs, args.every)
    except OSError as error:
        raise CommandError(f'cannot read {error.filename}: {error.strerror}') from error
    counts, unreadable = Counter(), []
    start, interrupted = time.monotonic(), False
    try:
        with ExitStack() as stack:
            writers = []
            if args.csv or not args.jsonl:
                writers.append(inferencer.csv_writer(args.out / RESULTS[0]))
            if args.jsonl or not args.csv:
                writers.append(JsonLinesWriter(args.out / RESULTS[1]))
            for writer in writers:
                stack.enter_context(writer)
            files = stack.enter_context(AnnotatedFiles(args.out, args.stage))
            images = inferencer.stream_images(inputs, patches=args.show_patches)
            console = Console(stderr=True)
            for image, result in track(
                islice(images, args.max_images),
                'predicting',
                total=expected,
                console=console,
                disable=not console.is_terminal,
            ):
                if not args.no_draw and (drawn := files.write(image, result)):
                    drawn = drawn.relative_to(args.out).as_posix()
                    result = replace(result, drawn=drawn)
                for writer in writers:
                    writer.write(result)
                counts[result.status] += 1
                counts['found'] += len(result.faces)
                if result.status == UNREADABLE:
                    unreadable.append((result.source, result.reason))
    except KeyboardInterrupt:
        interrupted = True
    except ValueError as error:  # such as a prediction that is not finite
        raise CommandError(error) from error
    except OSError as error:
        raise CommandError(f'cannot write --out {args.out}: {error}') from error
    seconds = max(time.monotonic() - start, 1e-9)
    total = sum(counts.values()) - counts['found']
    print(
        f'{args.out}: {counts["found"]} {plural(counts["found"], "face")} in '
        f'{total} {plural(total, "image")} '
        f'({counts["no face"]} without a face, {counts[UNREADABLE]} unreadable), '
        f'{total / seconds:.1f} images a second'
    )
    for source, reason in unreadable[:LISTED]:
        print(f'cannot read {source}: {reason}', file=sys.stderr)
    if len(unreadable) > LISTED:
        print(f'... and {len(unreadable) - LISTED} more, see {args.out}', file=sys.stderr)
    if interrupted:
        print(f'interrupted; the results so far are in {args.out}', file=sys.stderr)
        return INTERRUPTED
    return 1 if unreadable else 0
