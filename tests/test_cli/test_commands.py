# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import importlib
import subprocess
import sys

import pytest

from mmfer import cli


@pytest.mark.parametrize('arguments', [['--help'], *([name, '--help'] for name in cli.COMMANDS)])
def test_help_is_quick(arguments):
    """It does not import slow packages."""
    program = (
        f'import runpy, sys\nsys.argv[1:] = {arguments}\n'
        'try: runpy.run_module("mmfer", run_name="__main__")\n'
        'finally: print({"torch", "mmpretrain"} & set(sys.modules), file=sys.stderr)'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.returncode == 0 and 'usage: python -m mmfer' in done.stdout
    assert done.stderr.strip() == 'set()'


def test_every_command_is_a_module_with_a_summary(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(['--help'])
    shown = ' '.join(capsys.readouterr().out.split())
    assert stopped.value.code == 0
    for name in cli.COMMANDS:
        summary = importlib.import_module(f'mmfer.cli.{name}').__doc__.split('\n')[0]
        assert f'{name} {summary}' in shown


@pytest.mark.parametrize('arguments', [[], ['dance'], ['predict'], ['models', '--color']])
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2 and 'usage: python -m mmfer' in capsys.readouterr().err


def test_models(capsys):
    assert cli.main(['models', 'deit-tiny_*']) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split() == ['deit-tiny_1xb128-40e_rafdb-224px', 'Image', 'Classification', 'RAF-DB']
    assert cli.main(['models', 'no-such']) == 2
    assert "'no-such'" in capsys.readouterr().err


def test_closed_pipes():
    command = f'{sys.executable} -W ignore -m mmfer models | head -1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == '' and done.stdout.count('\n') == 1


def test_print_env_has_one_line_per_package(capsys):
    import torch

    from mmfer.version import __version__

    assert cli.main(['print_env']) == 0
    printed = dict(line.split(': ', 1) for line in capsys.readouterr().out.splitlines())
    assert printed['mmfer'] == __version__ and printed['PyTorch'] == torch.__version__
    assert printed['safetensors']
