# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""All tools have ``main(argv)``, and a help that is quick and correct."""

import inspect
import json
import re
import subprocess
import sys

import pytest
from tool_calls import ROOT, load_tool, run_tool

TOOLS = sorted(path.relative_to(ROOT / 'tools').as_posix() for path in ROOT.glob('tools/**/*.py'))
#: Packages that --help must not import: they take seconds each.
SLOW_PACKAGES = ['torch', 'mmengine', 'mmcv', 'mmpretrain', 'matplotlib', 'onnxruntime', 'sklearn']

HELP_OF_ALL = """
import contextlib, io, json, sys
sys.path.insert(0, 'tests')
tools, packages = json.loads(sys.argv[1])
loaded = {}
for path in tools:
    spec = importlib.util.spec_from_file_location('tool', 'tools/' + path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        tool.main(['--help'])
    loaded[path] = [package for package in packages if package in sys.modules]
print(json.dumps(loaded))
"""


def test_tools_are_found():
    assert {'train.py', 'misc/print_config.py', 'visualization/vis_roc.py'} < set(TOOLS)


@pytest.mark.parametrize('path', TOOLS)
def test_every_tool_has_main_with_arguments(path):
    signature = inspect.signature(load_tool(path).main)
    assert [(p.name, p.default) for p in signature.parameters.values()] == [('argv', None)]
    assert signature.return_annotation is int


@pytest.mark.parametrize('path', TOOLS)
def test_help(path):
    done = run_tool(path, '--help')
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith('usage: ')
    # The commands in the help are valid: the tools exist and have these options.
    for command in re.findall(r'python (tools/.+(?:\\\n.+)*)', done.stdout):
        shown, *words = command.split()
        shown = shown.removeprefix('tools/')
        assert shown in TOOLS
        options = re.findall('^  -.*', run_tool(shown, '--help').stdout, re.MULTILINE)
        offered = re.findall(r'--[\w-]+', ' '.join(options))
        for word in words:
            assert not word.startswith('--') or word.partition('=')[0] in offered


def test_help_imports_no_slow_package():
    """In a separate process, because this one has imported all of them."""
    words = json.dumps([TOOLS, SLOW_PACKAGES])
    command = [sys.executable, '-c', f'import importlib.util{HELP_OF_ALL}', words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {path: [] for path in TOOLS}
