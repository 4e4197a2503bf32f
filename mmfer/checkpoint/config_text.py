# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read the text of a config without running it.

Checkpoints carry the config that they were trained with, as the text that
:attr:`mmengine.config.Config.pretty_text` makes of it: assignments of plain values. MMEngine reads
such a text back by executing it as a Python file, which is right for config files and wrong for a
file of weights that somebody sent.
"""

import ast
import re
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

# What a registry does not know it imports, if the name has dots, from anywhere, and calls it.
_TYPE_NAME = re.compile(r'(mmfer\.)?[A-Za-z_]\w*')
# Of a scope it imports the package, whatever it is.
_SCOPE_NAME = re.compile('mmfer|mmpretrain|mmengine')
_NAMES = {'type': _TYPE_NAME, '_scope_': _SCOPE_NAME, 'default_scope': _SCOPE_NAME}


class ConfigTextError(ValueError):
    """A config's text holds more than assignments of plain values."""


def parse_config_text(text: str) -> dict[str, Any]:
    """Read what ``Config.pretty_text`` wrote; nothing in it is executed or imported.

    Args:
        text: Lines of ``name = value``, where a value is made of numbers, strings, None, booleans,
            lists, tuples, sets, and dicts, which may be written as ``dict(key=value)``.

    Raises:
        ConfigTextError: There is something else in it.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError) as error:  # the latter: null bytes
        raise ConfigTextError(f'the config is no text of assignments: {error}') from error
    settings = {}
    for statement in module.body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise _refuse(statement)
        settings[statement.targets[0].id] = _value(statement.value)
    return settings


def read_config_text(text: str) -> Config:
    """Read a config that may be built: :func:`parse_config_text`, and what it names is checked.

    Raises:
        ConfigTextError: As there; or a ``type`` is no name without a path, or a scope is that of
            another package than mmfer, MMPretrain and MMEngine.
    """
    settings = parse_config_text(text)
    _check_names(settings, 'config')
    return Config(settings)


class _DictCalls(ast.NodeTransformer):
    """Write ``dict(key=value)`` as ``{'key': value}``, and refuse all other calls."""

    def visit_Call(self, node: ast.Call) -> ast.Dict:
        named = all(keyword.arg for keyword in node.keywords)  # no **others
        if not isinstance(node.func, ast.Name) or node.func.id != 'dict' or node.args or not named:
            raise _refuse(node)
        keys = [ast.Constant(keyword.arg) for keyword in node.keywords]
        return ast.Dict(keys, [self.visit(keyword.value) for keyword in node.keywords])


def _value(node: ast.expr) -> Any:
    plain = _DictCalls().visit(node)
    try:
        return ast.literal_eval(plain)
    except (ValueError, TypeError):
        raise _refuse(node) from None


def _refuse(node: ast.AST) -> ConfigTextError:
    return ConfigTextError(
        f'line {node.lineno} of the config is not an assignment of plain values: '
        f'{ast.unparse(node)[:80]!r}. Nothing of it was run; give the config as a file instead'
    )


def _check_names(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            allowed = _NAMES.get(key)
            if allowed and isinstance(item, str) and not allowed.fullmatch(item):
                raise ConfigTextError(
                    f'{where}.{key} is {item!r}, which is not the name of a registered component '
                    'or scope; a config that came with weights may not name others. Give the '
                    'config as a file instead'
                )
            _check_names(item, f'{where}.{key}')
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_names(item, f'{where}.{index}')
