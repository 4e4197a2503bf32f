# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmengine.config import Config
from shipped_configs import CONFIGS

from mmfer.checkpoint.config_text import ConfigTextError, parse_config_text

pytestmark = pytest.mark.usefixtures('formatted_configs')


@pytest.mark.parametrize('path', CONFIGS[::16], ids=lambda path: path.stem)
def test_configs_of_mmengine_are_read_back(path):
    cfg = Config.fromfile(path)
    assert parse_config_text(cfg.pretty_text) == cfg.to_dict()


def test_all_kinds_of_values():
    text = "a = dict(b=[1, -2.5e-3, 'x'], c=(None, True), d={'e f': {1, 2}})\ng = ()\n"
    expected = dict(a=dict(b=[1, -0.0025, 'x'], c=(None, True), d={'e f': {1, 2}}), g=())
    assert parse_config_text(text) == expected


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
        "a = dict({{'b': open('{mark}', 'w')}})",
        "a = dict({{**open('{mark}', 'w')}})",
        "a = dict({{'b': 1}}, c=open('{mark}', 'w'))",
        'import os\na = f\'{{os.system("touch {mark}")}}\'',
        "a.b = open('{mark}', 'w')",
        "a = (lambda: open('{mark}', 'w'))()",
        "a: int = open('{mark}', 'w')",
        "def a(b=open('{mark}', 'w')): pass",
        "dict = open\na = dict(file='{mark}', mode='w')",
    ],
)
def test_code_is_an_error_and_not_run(line, tmp_path):
    mark = tmp_path / 'mark'
    with pytest.raises(ConfigTextError, match='line 1 '):
        parse_config_text(line.format(mark=mark))
    assert not mark.exists()


def test_the_error_names_the_line():
    with pytest.raises(ConfigTextError, match='line 3 '):
        parse_config_text("a = 1\nb = dict(\n    c=open('x'))")


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
    'text',
    [
        *('a = (', 'a = 1\0', "a = '\ud800'", 'a = b = 1', 'a, b = 1, 2', 'a = 2**9', 'a += 1'),
        *('a = dict(b=1, b=2)', 'a = {[]: 1}', 'a = {{}}', '\ta = 1', 'a = f"{1}"', '%d = 1'),
        *(f'a = {"9" * 5000}', f'a = [0x{"9" * 9999}, b]', 'a = ' + '1' * 2**21),
        *(f'a = {"[" * 999}{"]" * 999}', f'a = {"dict(b=" * 99}1{")" * 98}'),
        *(f'a = {"-" * 99999}1', f'a = b{".c" * 99999}', f'a = {"not " * 9999}1'),
        *(f'a = {"1 + " * 9999}1', f'a = {"{0:" * 150}1{"}" * 149}'),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_texts_that_cannot_be_parsed(text):
    with pytest.raises(ConfigTextError, match='config'):
        parse_config_text(text)


@pytest.mark.filterwarnings('error')
def test_unusual_texts_are_read_as_in_python():
    text = "# coding\n\nä = 'é'; b = {'c': 1, 'c': 2}\nb = {**{}} or 1".splitlines()
    assert parse_config_text('\n'.join(text[:-1])) == {'ä': 'é', 'b': {'c': 2}}
    assert parse_config_text(r"a = '\d'") == {'a': r'\d'}
    assert parse_config_text('') == {} and parse_config_text('a = 1\na = 2') == {'a': 2}


def test_keys_that_are_not_identifiers():
    keys = {'backbone.cnn': dict(lr_mult=4.0), '.cls_token': dict(decay_mult=0.0)}
    cfg = Config(dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=keys, bias_lr_mult=2.0))))
    assert 'dict({' in cfg.pretty_text  # as MMEngine writes it
    assert parse_config_text(cfg.pretty_text) == cfg.to_dict()
