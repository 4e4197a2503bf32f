# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The order of the package's folders: each may only import from itself and those before it.

``docs/architecture.md`` has a line per folder, in this order.
"""

import ast
import re
from pathlib import Path

import pytest

# Modules next to the folders, which all folders may import.
GROUND = {'registry', 'version', 'tasks', 'categories', 'wflw_points', 'responsible_use'}
ORDER = (
    'utils',
    'checkpoint',
    'models',
    'synth',
    'datasets',
    'faces',
    'evaluation',
    'visualization',
    'engine',
    'inference',
    'apis',
    'preparation',
    'analysis',
    'audit',
    'deployment',
    'benchmark',
    'reproduction',
    'serve',
    'cli',
)


def imported_names(path: Path, package: Path):
    """Yield the folders and top-level modules of the package that a file imports, with lines."""
    inside = path.relative_to(package.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name.split('.') for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = inside[: len(inside) - node.level + 1] if node.level else ()
            base = [*start, *(node.module or '').split('.')]
            base = [part for part in base if part]
            names = [base] if len(base) > 1 else [[*base, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == package.name and len(name) > 1:
                yield name[1], node.lineno


def test_the_order_names_every_folder(repo_root):
    folders = {path.parent.name for path in repo_root.glob('mmfer/*/__init__.py')}
    assert folders == set(ORDER)


@pytest.mark.parametrize('folder', ORDER)
def test_no_import_goes_up(repo_root, folder):
    package = repo_root / 'mmfer'
    allowed = GROUND | {'__version__'} | set(ORDER[: ORDER.index(folder) + 1])
    upward = [
        f'{path.relative_to(repo_root)}:{line} imports {name}'
        for path in sorted((package / folder).rglob('*.py'))
        for name, line in imported_names(path, package)
        if name not in allowed
    ]
    assert not upward


@pytest.fixture
def guide(repo_root):
    return (repo_root / 'docs' / 'architecture.md').read_text()


def test_the_guide_has_a_line_for_every_folder_in_order(guide):
    rows = [row[0] for row in re.findall(r'^\| `(\w+)/` \| (.+) \|$', guide, re.M)]
    assert rows == list(ORDER)


def test_what_the_guide_names_exists(repo_root, guide):
    named = re.findall(r'`([\w/]+(?:\.\w+|/))`', guide)
    folders = ('', 'mmfer', 'tools/deployment', 'configs/apvit')
    places = [repo_root / folder for folder in folders]
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert len(named) > 60 and not missing
