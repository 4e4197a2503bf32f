# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""List the models of the model index, with task and data set.

python -m mmfer models
python -m mmfer models '*rafdb*'
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'pattern', nargs='?', help='beginning of the name, with * and ? (default: all)'
    )


def run(args: argparse.Namespace) -> int:
    from mmfer.apis.model_index import list_models, read_model_index

    from . import CommandError

    try:
        names, models = list_models(args.pattern), read_model_index()
    except FileNotFoundError as error:
        raise CommandError(error) from error
    if not names:
        raise CommandError(f'no model of the index matches {args.pattern!r}')
    width = max(map(len, names))
    for name in names:
        print(f'{name:<{width}} {models[name].task:<29} {models[name].dataset}'.rstrip())
    return 0
