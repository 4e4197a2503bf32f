# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read the text of a config without running it.

Checkpoints carry the config that they were trained with, as the text that
:attr:`mmengine.config.Config.pretty_text` makes of it: assignments of plain values. MMEngine reads
such a text back by executing it as a Python file, which is right for config files and wrong for a
file of weights that somebody sent. What the values name is checked by
:func:`~mmfer.checkpoint.config_parts.read_config_text`.
"""

import ast
import warnings
from typing import Any

#: Characters; those of the shipped configs have less than 20 thousand.
_LONGEST = 2**21


class ConfigTextError(ValueError):
    """A config's text holds more than assignments of plain values, or names what it may not."""


def parse_config_text(text: str) -> dict[str, Any]:
    """Read what ``Config.pretty_text`` wrote; nothing in it is executed or imported.

    Args:
        text (str): Lines of ``name = value``, where a value is made of numbers, strings, None,
            booleans, lists, tuples, sets, and dicts, which may be written as ``dict(key=value)`` or
            ``dict({'key': value})``.

    Raises:
        ConfigTextError: There is something else in it, or it is too long or too deep to be read.
    """
    if len(text) > _LONGEST:
        raise ConfigTextError(
            f'the config has {len(text)} characters, and no config has more than {_LONGEST}'
        )
    try:
        with warnings.catch_warnings():  # of escapes in strings that Python does not know
            warnings.simplefilter('ignore')
            statements = ast.parse(text).body
        return dict(map(_assignment, statements))
    except ConfigTextError:
        raise
    except (SyntaxError, ValueError) as error:  # the latter: null bytes, halves of characters
        raise ConfigTextError(f'the config is no text of assignments: {error}') from error
    except (RecursionError, MemoryError) as error:
        raise ConfigTextError(
            f'the config is nested too deep to be read ({type(error).__name__})'
        ) from error


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    if not isinstance(statement, ast.Assign) or len(statement.targets) > 1:
        raise _refuse(statement)
    if not isinstance(statement.targets[0], ast.Name):
        raise _refuse(statement)
    return statement.targets[0].id, _value(statement.value)


class _DictCalls(ast.NodeTransformer):
    """Write ``dict(key=value)`` and ``dict({'key': value})`` as ``{'key': value}``, and refuse all
    other calls. MMEngine writes the latter where a key is no name, as in ``custom_keys``.
    """

    def visit_Call(self, node: ast.Call) -> ast.Dict:
        is_dict = isinstance(node.func, ast.Name) and node.func.id == 'dict'
        if is_dict and not node.keywords and [type(arg) for arg in node.args] == [ast.Dict]:
            return self.visit(node.args[0])
        names = [keyword.arg for keyword in node.keywords]
        named = all(names) and len(set(names)) == len(names)  # no **others, none twice
        if not is_dict or node.args or not named:
            raise _refuse(node)
        keys = [ast.Constant(name) for name in names]
        return ast.Dict(keys, [self.visit(keyword.value) for keyword in node.keywords])


def _value(node: ast.expr) -> Any:
    plain = _DictCalls().visit(node)
    try:
        return ast.literal_eval(plain)
    except (ValueError, TypeError):
        raise _refuse(node) from None


def _refuse(node: ast.AST) -> ConfigTextError:
    try:
        written = repr(ast.unparse(node)[:80])
    except (ValueError, RecursionError):  # the former: numbers of thousands of digits
        written = f'a {type(node).__name__}'
    return ConfigTextError(
        f'line {node.lineno} of the config is not an assignment of plain values: {written}. '
        'Nothing of it was run; give the config as a file instead'
    )
