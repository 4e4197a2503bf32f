# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmengine.config import Config
from shipped_configs import CONFIGS

from mmfer.checkpoint.config_text import ConfigTextError, read_config_text

pytestmark = pytest.mark.usefixtures('formatted_configs')


@pytest.mark.parametrize('path', CONFIGS[::16], ids=lambda path: path.stem)
def test_what_mmengine_writes_is_read_back(path):
    cfg = Config.fromfile(path)
    assert read_config_text(cfg.pretty_text).to_dict() == cfg.to_dict()


def test_all_kinds_of_values():
    text = "a = dict(b=[1, -2.5e-3, 'x'], c=(None, True), d={'e f': {1, 2}})\ng = ()\n"
    expected = dict(a=dict(b=[1, -0.0025, 'x'], c=(None, True), d={'e f': {1, 2}}), g=())
    assert read_config_text(text).to_dict() == expected


@pytest.mark.parametrize(
    'line',
    [
        "__import__('os').system('touch {mark}')",
        "a = __import__('os').system('touch {mark}')",
        "a = dict(b=open('{mark}', 'w'))",
        "a = [open('{mark}', 'w') for _ in 'x']",
        "a = dict(**{{'b': open('{mark}', 'w')}})",
        "a = {{**open('{mark}', 'w')}}",
        "a = dict([('b', open('{mark}', 'w'))])",
        'import os\na = f\'{{os.system("touch {mark}")}}\'',
        "a.b = open('{mark}', 'w')",
    ],
)
def test_code_is_refused_and_not_run(line, tmp_path):
    mark = tmp_path / 'mark'
    with pytest.raises(ConfigTextError, match='line 1 '):
        read_config_text(line.format(mark=mark))
    assert not mark.exists()


def test_the_line_of_code_is_named():
    with pytest.raises(ConfigTextError, match='line 3 '):
        read_config_text("a = 1\nb = dict(\n    c=open('x'))")


@pytest.mark.parametrize('kind', ['subprocess.run', 'os.system', 'mmengine.load', 'mmfer.a.b'])
def test_components_are_named_not_addressed(kind):
    """MMEngine's registries import dotted names from anywhere, and call them with the rest."""
    with pytest.raises(ConfigTextError, match=r'config.model.head.0.type'):
        read_config_text(f"model = dict(head=[dict(type='{kind}', args='true')])")


@pytest.mark.parametrize('line', ["default_scope = 'evil'", "model = dict(_scope_='evil')"])
def test_scopes_are_those_of_known_packages(line):
    """MMEngine imports the registry of any package whose name is given as a scope."""
    with pytest.raises(ConfigTextError, match=r"_scope_?.*'evil'"):
        read_config_text(line)
    assert read_config_text(line.replace('evil', 'mmpretrain'))


@pytest.mark.parametrize('text', ['a = (', 'a = 1\0'])
def test_no_text_of_assignments(text):
    with pytest.raises(ConfigTextError, match='config'):
        read_config_text(text)
