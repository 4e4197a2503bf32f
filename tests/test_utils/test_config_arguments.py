# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import argparse
import subprocess
import sys

import pytest

from mmfer.utils.config_arguments import (
    add_config_options,
    add_size_option,
    add_workers_option,
    positive,
    tool_parser,
)

MODULE = add_config_options.__module__


def parse(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument('config', nargs='?')
    add_config_options(parser)
    add_config_options(parser.add_argument_group('more'), 'for some', name='--some-options')
    return parser.parse_args(words)


def test_words_of_repeated_options_are_collected():
    args = parse('--cfg-options', 'a=1', 'b.c=2', '--some-options', 'e=4', '--cfg-options', 'd=3')
    assert args.cfg_options == ['a=1', 'b.c=2', 'd=3'] and args.some_options == ['e=4']
    assert parse().cfg_options == parse().some_options == []


def test_positive_numbers():
    assert positive('3') == 3
    for wrong in ('0', '-3', '1.5', 'many'):
        with pytest.raises(argparse.ArgumentTypeError, match=wrong):
            positive(wrong)


def test_a_size_is_one_number_or_two(capsys):
    parser = tool_parser('Do it.')
    add_size_option(parser, '--shape')
    assert parser.parse_args([]).shape is None
    assert parser.parse_args(['--shape', '32']).shape == [32]
    assert parser.parse_args(['--shape', '32', '48']).shape == [32, 48]
    for wrong in (['0'], ['1', '2', '3']):
        with pytest.raises(SystemExit):
            parser.parse_args(['--shape', *wrong])
        assert '--shape' in capsys.readouterr().err


def test_negative_workers_are_errors(capsys):
    parser = tool_parser('Do it.')
    add_workers_option(parser)
    assert parser.parse_args([]).workers == 0 and parser.parse_args(['--workers', '2']).workers == 2
    with pytest.raises(SystemExit):
        parser.parse_args(['--workers=-1'])
    assert '--workers: must be an integer >= 0' in capsys.readouterr().err


def test_help_shows_the_docstring_unchanged():
    doc = 'Do it.\n\n    python tool.py  100 FILES\n'
    assert doc in tool_parser(doc).format_help()


def test_help_does_not_wait_for_pytorch():
    code = f"import {MODULE}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_tools_use_these_options(repo_root):
    """A tool that adds the option itself would only use the last one on the command line."""
    files = [path for folder in ('tools', 'mmfer') for path in (repo_root / folder).rglob('*.py')]
    own = [path.name for path in files if "\n        '--cfg-options'" in path.read_text('utf-8')]
    assert own == [] and len(files) > 100
