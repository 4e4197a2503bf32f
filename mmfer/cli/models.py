# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""List the models of the model index, with task and data set; or what is known of one.

python -m mmfer models
python -m mmfer models '*rafdb*'
python -m mmfer models apvit-1234abcd.safetensors --facts

"weights included" marks those whose weights come with mmfer. The first of them is used where
`predict` and `serve` are given no --model.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'pattern', nargs='?', help='beginning of the name, with * and ? (default: all)'
    )
    parser.add_argument(
        '--facts',
        action='store_true',
        help='print what the weights of one model say: purpose, training data and their terms, '
        'results, classes, licence. The pattern is its name or a file that publish_model.py wrote '
        '(default: the model that comes with mmfer)',
    )


def run(args: argparse.Namespace) -> int:
    from mmfer.apis.model_index import list_models, read_model_index

    from . import CommandError

    if args.facts:
        return _print_facts(args.pattern)
    try:
        names, models = list_models(args.pattern), read_model_index()
    except FileNotFoundError as error:
        raise CommandError(error) from error
    if not names:
        raise CommandError(f'no model of the index matches {args.pattern!r}')
    width = max(map(len, names))
    for name in names:
        mark = '  weights included' if models[name].included else ''
        print(f'{name:<{width}} {models[name].task:<29} {models[name].dataset}{mark}'.rstrip())
    return 0


def _print_facts(name: str | None) -> int:
    import yaml

    from mmfer.apis.included_weights import checked_weights, included_model
    from mmfer.apis.model_index import find_model
    from mmfer.apis.published_facts import published_facts
    from mmfer.checkpoint import CheckpointError

    from . import CommandError

    try:
        path = name
        if name is None or not Path(name).is_file():
            path = checked_weights(included_model() if name is None else find_model(name))
        if path is None:
            raise CommandError(f'no weights of {name} come with mmfer: name a file of weights')
        facts = dict(file=str(path), **published_facts(path))
        # YAML writes what a terminal would obey, such as escape sequences, as text.
        options = dict(sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
        text = yaml.safe_dump(facts, **options)
    except (CheckpointError, OSError, ValueError, yaml.YAMLError) as error:
        raise CommandError(error) from error
    print(text, end='')
    return 0
