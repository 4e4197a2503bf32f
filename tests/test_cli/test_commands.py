# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import importlib
import os
import resource
import subprocess
import sys

import pytest

from mmfer import cli


def call(*arguments, **environment):
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'mmfer', *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize('arguments', [['--help'], *([name, '--help'] for name in cli.COMMANDS)])
def test_help_answers_at_once(arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = call(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Computing time: the machine may be busy with other tests.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    assert done.returncode == 0
    assert 'usage: python -m mmfer' in done.stdout


def test_help_does_not_wait_for_torch():
    """The reason why it is quick, which a quick machine would hide."""
    program = (
        'import sys\nfrom mmfer.cli import main\ntry: main(["predict", "--help"])\n'
        'finally: print("torch" in sys.modules, file=sys.stderr)'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.stderr.strip() == 'False'


def test_every_command_is_a_module_with_a_summary(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(['--help'])
    shown = ' '.join(capsys.readouterr().out.split())
    assert stopped.value.code == 0
    for name in cli.COMMANDS:
        summary = importlib.import_module(f'mmfer.cli.{name}').__doc__.split('\n')[0]
        assert f'{name} {summary}' in shown


@pytest.mark.parametrize('arguments', [[], ['dance'], ['predict'], ['models', '--colour']])
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2 and 'usage: python -m mmfer' in capsys.readouterr().err


def test_models(capsys):
    assert cli.main(['models', 'deit-tiny_*']) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split() == ['deit-tiny_1xb128-40e_rafdb-224px', 'Image', 'Classification', 'RAF-DB']
    assert cli.main(['models', 'no-such']) == 2
    assert "no model of the index matches 'no-such'" in capsys.readouterr().err


def test_who_reads_may_stop_reading():
    command = f'{sys.executable} -W ignore -m mmfer models | head -1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == '' and done.stdout.count('\n') == 1
