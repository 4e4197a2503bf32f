# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""List the models of the model index with task and dataset, or show the facts about one.

python -m mmfer models
python -m mmfer models '*rafdb*'
python -m mmfer models apvit-1234abcd.safetensors --facts

"weights included" marks models whose weights come with mmfer. The first of them is the default of
`predict` and `serve`.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'pattern', nargs='?', help='start of the name; * and ? are wildcards (default: all)'
    )
    parser.add_argument(
        '--facts',
        action='store_true',
        help='print the facts stored with the weights of one model: purpose, training data and '
        'their terms, results, classes, license. The pattern is the name of the model, or a file '
        'written by publish_model.py (default: the model that comes with mmfer)',
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
            raise CommandError(f'no weights of {name} come with mmfer: pass a checkpoint file')
        facts = dict(file=str(path), **published_facts(path))
        # YAML escapes control sequences, which a terminal would execute.
        options = dict(sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
        text = yaml.safe_dump(facts, **options)
    except (CheckpointError, OSError, ValueError, yaml.YAMLError) as error:
        raise CommandError(error) from error
    print(text, end='')
    return 0
