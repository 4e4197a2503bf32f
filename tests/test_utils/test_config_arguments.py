# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import argparse
import subprocess
import sys

from mmfer.utils.config_arguments import add_config_options

MODULE = add_config_options.__module__


def parse(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument('config', nargs='?')
    add_config_options(parser)
    add_config_options(parser.add_argument_group('more'), 'for some', name='--some-options')
    return parser.parse_args(words)


def test_words_of_all_that_are_given():
    args = parse('--cfg-options', 'a=1', 'b.c=2', '--some-options', 'e=4', '--cfg-options', 'd=3')
    assert args.cfg_options == ['a=1', 'b.c=2', 'd=3'] and args.some_options == ['e=4']
    assert parse().cfg_options == parse().some_options == []


def test_help_does_not_wait_for_pytorch():
    code = f"import {MODULE}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_tools_take_the_option_from_here(repo_root):
    """One that adds it itself loses all but the last that are given."""
    files = [path for folder in ('tools', 'mmfer') for path in (repo_root / folder).rglob('*.py')]
    own = [path.name for path in files if "\n        '--cfg-options'" in path.read_text('utf-8')]
    assert own == [] and len(files) > 100
