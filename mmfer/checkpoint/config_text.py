# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read the text of a config without running it.

A checkpoint contains the config that it was trained with, in the form of
:attr:`mmengine.config.Config.pretty_text`: assignments of plain values. MMEngine reads such a text
by executing it as a Python file. That is right for config files, but not for a checkpoint from
somebody else. :func:`~mmfer.checkpoint.config_parts.read_config_text` checks the names in the
values.
"""

import ast
import warnings
from typing import Any

#: In characters. The shipped configs have less than 20 thousand.
_LONGEST = 2**21


class ConfigTextError(ValueError):
    """Raised for a config text with more than plain values, or with names that are not allowed."""


def parse_config_text(text: str) -> dict[str, Any]:
    """Parse the text of ``Config.pretty_text``; nothing in it is executed or imported.

    Args:
        text (str): Lines of ``name = value``. A value consists of numbers, strings, None,
            booleans, lists, tuples, sets, and dicts, which may be written as ``dict(key=value)`` or
            ``dict({'key': value})``.

    Raises:
        ConfigTextError: The text contains something else, or is too long or nested too deeply.
    """
    if len(text) > _LONGEST:
        raise ConfigTextError(
            f'the config has {len(text)} characters; at most {_LONGEST} are allowed'
        )
    try:
        with warnings.catch_warnings():  # about unknown escapes in strings
            warnings.simplefilter('ignore')
            statements = ast.parse(text).body
        return dict(map(_assignment, statements))
    except ConfigTextError:
        raise
    except (SyntaxError, ValueError) as error:  # the latter: null bytes, lone surrogates
        raise ConfigTextError(f'the config cannot be parsed: {error}') from error
    except (RecursionError, MemoryError) as error:
        raise ConfigTextError(
            f'the config is nested too deeply ({type(error).__name__})'
        ) from error


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    if not isinstance(statement, ast.Assign) or len(statement.targets) > 1:
        raise _refuse(statement)
    if not isinstance(statement.targets[0], ast.Name):
        raise _refuse(statement)
    return statement.targets[0].id, _value(statement.value)


class _DictCalls(ast.NodeTransformer):
    """Rewrite ``dict(key=value)`` and ``dict({'key': value})`` as ``{'key': value}``.

    Any other call is an error. MMEngine writes the second form if a key is not an identifier, as in
    ``custom_keys``.
    """

    def visit_Call(self, node: ast.Call) -> ast.Dict:
        is_dict = isinstance(node.func, ast.Name) and node.func.id == 'dict'
        if is_dict and not node.keywords and [type(arg) for arg in node.args] == [ast.Dict]:
            return self.visit(node.args[0])
        names = [keyword.arg for keyword in node.keywords]
        named = all(names) and len(set(names)) == len(names)  # no **kwargs, no duplicates
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
    except (ValueError, RecursionError):  # the former: numbers with thousands of digits
        written = f'a {type(node).__name__}'
    return ConfigTextError(
        f'line {node.lineno} of the config is not an assignment of plain values: {written}. '
        'Nothing in it was run; pass the config as a file instead'
    )
