# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check ``--cfg-options`` before merging them: MMEngine accepts any name and ignores typos."""

import argparse
import copy
import difflib
import inspect
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import (
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    LogProcessor,
    Runner,
    TestLoop,
    ValLoop,
    set_random_seed,
)
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from . import safe_yaml  # noqa: F401
from .components import find
from .option_values import UnknownOptionError, fitting_value

#: Top-level names that the runner reads from the config, but that are not its arguments.
_RUNNER_EXTRAS = frozenset(
    [
        'activation_checkpointing',
        'compile',
        'custom_imports',
        'efficient_conv_bn_eval',
        'env_cfg',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'runner_type',
        'sync_bn',
        'tta_model',
        'tta_pipeline',
    ]
)
_DATALOADER = ([DataLoader], ['num_batch_per_epoch'])
_TEST_LOOP = ([ValLoop, TestLoop], ['type'])
#: Keys of mmengine's and mmpretrain's optimizer constructors, which ignore unknown keys.
_PARAMWISE = [
    'bias_decay_mult',
    'bias_lr_mult',
    'bypass_duplicate',
    'custom_keys',
    'dcn_offset_lr_mult',
    'dwconv_decay_mult',
    'flat_decay_mult',
    'layer_decay_rate',
    'norm_decay_mult',
]
#: Sections without a `type` to inspect: the classes built from them, and their other keys.
_SECTIONS = {
    'train_dataloader': _DATALOADER,
    'val_dataloader': _DATALOADER,
    'test_dataloader': _DATALOADER,
    'train_cfg': ([EpochBasedTrainLoop, IterBasedTrainLoop], ['type', 'by_epoch']),
    'val_cfg': _TEST_LOOP,
    'test_cfg': _TEST_LOOP,
    'optim_wrapper.clip_grad': ([clip_grad_norm_, clip_grad_value_], ['type']),
    'optim_wrapper.paramwise_cfg': ([], _PARAMWISE),
    'optim_wrapper': ([OptimWrapper], ['type', 'constructor', 'paramwise_cfg']),
    'auto_scale_lr': ([], ['enable', 'base_batch_size']),
    'env_cfg': ([], ['cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit']),
    'env_cfg.dist_cfg': ([], ['backend', 'timeout', 'init_backend', 'init_method']),
    'env_cfg.mp_cfg': ([], ['mp_start_method', 'opencv_num_threads']),
    'log_processor': ([LogProcessor], ['type']),
    'randomness': ([set_random_seed], []),
}
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def read_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and override settings.

    Args:
        path (str | Path): The config file.
        options (Mapping[str, Any], optional): See :func:`merge_options`. Defaults to None.

    Raises:
        FileNotFoundError: There is no such config.
        UnknownOptionError: See :func:`merge_options`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'there is no config {path} (from {os.getcwd()}); pass the path of a config file (only '
            "`mim train mmfer NAME.py` finds the package's own configs by name)"
        )
    cfg = Config.fromfile(path)
    merge_options(cfg, options)
    return cfg


def parse_options(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` words with the rules of :class:`mmengine.config.DictAction`.

    Raises:
        ValueError: A word is not an assignment, or its brackets are not closed.
    """
    assignments = list(assignments)
    for word in assignments:
        if not word.partition('=')[0] or '=' not in word:
            raise ValueError(
                f'--cfg-options {word}: write KEY=VALUE, without spaces around the equals sign'
            )
    if not assignments:
        return {}
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    try:
        return parser.parse_args(['--options', *assignments]).options
    except AssertionError as error:
        raise ValueError(f'--cfg-options: {error}') from error


def merge_options(cfg: Config, options: Mapping[str, Any] | None) -> None:
    """Check every override and merge all of them into ``cfg``.

    Args:
        cfg (Config): The config; changed in place.
        options (Mapping[str, Any], optional): Dotted path -> value, as parsed by
            :class:`mmengine.config.DictAction`. Numbers in a path are list indices:
            ``val_evaluator.0.topk``. If an option changes a ``type``, the arguments of the new type
            are allowed, and the present arguments stay. A section that is not in the config but has
            a default, e.g. the loss of a head, starts from that default.

    Raises:
        UnknownOptionError: A path is not in the config and no component has an argument of this
            name; in a section without a ``type``, a new name is similar to one that is there; a
            path is a helper variable of the config file, whose value has already been copied, so
            that changing it would have no effect; two options contradict each other; or a value has
            another type than the one it replaces, see :func:`.fitting_value`.
    """
    tree = cfg.to_dict()  # plain: a ConfigDict resolves lazily and a Config is not a Mapping
    steps = []
    for path, value in _in_order(dict(options or {})):
        _check_has_effect(cfg, path)
        for step in _steps(cfg, tree, path, value, options):
            steps.append(step)
            tree = _replaced(tree, *step)
    before = dict(walk(cfg))
    for path, value in (options or {}).items():
        if path.endswith('.type') and before.get(path, value) != value:
            _check_leftovers(tree, path)
    for keys, value in steps:
        top, *rest = keys
        cfg[top] = _replaced(cfg.get(top), rest, value)


def _in_order(options: dict[str, Any]) -> list[tuple[str, Any]]:
    """Sort options: deletions, types (outer before inner), others. Types decide what is allowed."""
    for path in options:
        keys = path.split('.')
        for outer in ('.'.join(keys[:depth]) for depth in range(1, len(keys))):
            if outer in options:
                raise UnknownOptionError(
                    f'--cfg-options {outer} and {path}: the first replaces the section of the '
                    'second. Use one of them'
                )

    def rank(item):
        *outer, leaf = item[0].split('.')
        return leaf != '_delete_', leaf != 'type', len(outer) if leaf in ('_delete_', 'type') else 0

    return sorted(options.items(), key=rank)


def _replaced(node: Any, keys: Sequence[str], value: Any) -> Any:
    """Return a copy of a section or list with one value set; missing sections are created."""
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(node, (list, tuple)):
        items = list(node)
        items[int(key)] = _replaced(items[int(key)], rest, value)
        return type(node)(items)
    if key == '_delete_':
        return ConfigDict() if value else node
    changed = ConfigDict() if node is None else node.copy()
    changed[key] = _replaced(changed.get(key), rest, value)
    return changed


def _check_has_effect(cfg: Config, path: str) -> None:
    top = path.split('.')[0]
    if top not in cfg or top in _runner_names():
        return
    value = cfg[top]
    places = [
        p for p, item in walk(cfg) if p != top and item == value and type(value) is type(item)
    ]
    places = [p for p in places if p.split('.')[0] in _runner_names()]
    rest = path[len(top) :]
    instead = f' Use {" and ".join(p + rest for p in places[:4])}.' if places else ''
    raise UnknownOptionError(
        f'--cfg-options {path} would have no effect: `{top}` is a helper variable of the config '
        f'file, and its value has already been copied to where it is used.{instead}'
    )


def _steps(
    cfg: Config, tree: Mapping, path: str, value: Any, options: Mapping[str, Any]
) -> Iterator[tuple[list[str], Any]]:
    """Check one override, and yield the assignments for it.

    If it is the first setting in a section that has a default, that default comes first.
    """
    node, keys = tree, path.split('.')
    current, parameters = None, []
    for depth, key in enumerate(keys):
        parent, last = '.'.join(keys[:depth]), depth == len(keys) - 1
        inside_list = isinstance(node, (list, tuple))
        if inside_list:
            if not (key.isascii() and key.isdecimal() and int(key) < len(node)):
                indices = f'from 0 to {len(node) - 1}' if node else '(but it is empty)'
                raise UnknownOptionError(
                    f'--cfg-options {path}: `{parent}` is a list of {len(node)}; `{key}` should '
                    f'be an index {indices}'
                )
            current, parameters = node[int(key)], []
        elif isinstance(node, Mapping):
            parameters = _parameters(node, parent, key)
            if key not in node and not _accepts(node, parent, key, options):
                raise _unknown(cfg, node, path, parent, key)
            defaults = [p.default for p in parameters if p.default is not p.empty]
            current = node[key] if key in node else next(iter(defaults), None)
            if key not in node and not last:
                if f'{parent}.{key}' in _SECTIONS:
                    current = {}
                elif not isinstance(current, (Mapping, list, tuple)) or keys[depth + 1 :] == [
                    'type'
                ]:
                    break  # a new section: its inner names cannot be checked
                else:
                    # Otherwise the section would have only the new setting and no type.
                    yield keys[: depth + 1], copy.deepcopy(current)
        else:
            raise UnknownOptionError(
                f'--cfg-options {path}: `{parent}` is {node!r} in the config, so nothing inside it '
                'can be set. Write the whole section in a config file that inherits from this one'
            )
        node = current
    else:
        _check_component(path, value, current, options)
        if keys[-1] != '_delete_':
            value = fitting_value(path, value, current, parameters, inside_list)
    yield keys, value


def _check_component(path: str, value: Any, current: Any, options: Mapping[str, Any]) -> None:
    """Check that a component has a registered type after the override."""
    parent, _, leaf = path.rpartition('.')
    if leaf == '_delete_' and value and f'{parent}.type' not in options:
        raise UnknownOptionError(
            f'--cfg-options {path}: the replacement of `{parent}` needs {parent}.type=NAME and its '
            f'arguments. To remove it, write {parent}=None'
        )
    known = leaf == 'type' and isinstance(value, str) and _classes(current)
    if known and not _classes(value) and 'custom_imports.imports' not in options:
        names = {name for node in _registries() if find(current, node) for name in _names_in(node)}
        near = difflib.get_close_matches(value, names, n=3, cutoff=0.6)
        hint = f'Did you mean {" or ".join(near)}?' if near else f'It is {current} now.'
        raise UnknownOptionError(
            f'--cfg-options {path}={value}: no component of this name is registered. {hint} For '
            'your own components, add their module to custom_imports of the config'
        )


def _registries() -> list[Registry]:
    from mmfer import registry

    return [node for node in vars(registry).values() if isinstance(node, Registry)]


def _names_in(node: Registry | None) -> Iterator[str]:
    """Yield all names in a registry and its parents."""
    while node is not None:
        yield from node.module_dict
        node = node.parent


def _accepts(node: Mapping, parent: str, key: str, options: Mapping[str, Any]) -> bool:
    if parent == 'default_hooks':
        # A new hook needs several options; one of them is its type.
        return f'{parent}.{key}.type' in options
    if key in ('_delete_', '_scope_', 'type'):
        return True
    names = _accepted_names(node, parent)
    if names is None or key in names:
        return True
    # Sections without a type, such as `layer_cfg`, are arguments for something that the config does
    # not name. Only likely typos of the names that are there are refused.
    untyped = bool(parent) and 'type' not in node and parent not in _SECTIONS
    return untyped and not difflib.get_close_matches(key, node, n=1, cutoff=0.8)


def _accepted_names(node: Mapping, parent: str) -> set[str] | None:
    """Return the names that a section accepts; None if it accepts every name."""
    if not parent:
        return _runner_names()
    components, names = _SECTIONS.get(parent, ([], []))
    found = [_arguments(function) for function in _classes(node.get('type')) + components]
    if any(arguments is None for arguments in found):
        return None
    if any(hasattr(component, 'build_iter_from_epoch') for component in _classes(node.get('type'))):
        names = [*names, 'convert_to_iter_based']  # read by the scheduler registry
    return set(names).union(*found)


def _parameters(node: Mapping, parent: str, key: str) -> list[inspect.Parameter]:
    """Return the parameters called ``key`` of all components that a section may be."""
    if not parent:
        return [p for name, p in _signature(Runner.__init__).items() if name == key]
    components = _classes(node.get('type')) + _SECTIONS.get(parent, ([], []))[0]
    return [arguments[key] for c in components if key in (arguments := _arguments(c, closed=False))]


def _runner_names() -> set[str]:
    return set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | _RUNNER_EXTRAS


def _arguments(component: Any, closed: bool = True) -> dict[str, inspect.Parameter] | None:
    """Return the keyword arguments of a component, including its bases' if it has ``**kwargs``.

    With ``closed``, None if it accepts every name.
    """
    found, takes_all = {}, False
    for base in inspect.getmro(component) if inspect.isclass(component) else [component]:
        function = base.__dict__.get('__init__') if inspect.isclass(base) else base
        if not inspect.isroutine(function) or base is object:
            continue
        parameters = _signature(function)
        for name, parameter in parameters.items():
            if name != 'self' and parameter.kind not in _ANY_NUMBER:
                found.setdefault(name, parameter)
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        if not takes_all:
            break
    return None if closed and takes_all else found


@cache
def _signature(function: Any) -> Mapping[str, inspect.Parameter]:
    """Return parameters by name; annotations are evaluated to types if possible."""
    try:
        return inspect.signature(function, eval_str=True).parameters
    except Exception:  # an annotation may be any text
        return inspect.signature(function).parameters


def _classes(component: Any) -> list:
    """Return the objects for a ``type``; a name may be in several registries."""
    if not isinstance(component, str):
        return [component] if callable(component) else []
    return [found for node in _registries() if (found := find(component, node)) is not None]


def _check_leftovers(tree: Mapping, path: str) -> None:
    """Raise if arguments of the old component are not arguments of the new one."""
    keys = path.split('.')[:-1]
    node = tree
    for key in keys:
        node = node[int(key)] if isinstance(node, (list, tuple)) else node[key]
    parent = '.'.join(keys)
    names = _accepted_names(node, parent)
    if not names:
        return  # accepts every name, or the type is unknown
    left = [key for key in node if key not in names and key not in ('type', '_scope_')]
    if left:
        raise UnknownOptionError(
            f'--cfg-options {path}={node["type"]}: it has no argument {", ".join(left)}, which '
            f'`{parent}` has in the config. Add {parent}._delete_=True to start from an empty '
            'section, and set the arguments that it needs'
        )


def _unknown(cfg: Config, node: Mapping, path: str, parent: str, key: str) -> UnknownOptionError:
    names = sorted({*map(str, node), *(_accepted_names(node, parent) or ())})
    prefix = f'{parent}.' if parent else ''
    near = [prefix + name for name in difflib.get_close_matches(key, names, n=3, cutoff=0.6)]
    paths = [p for p, _ in walk(cfg) if p.split('.')[0] in _runner_names()]
    leaf = path.split('.')[-1]
    near += [p for p in paths if p.split('.')[-1] == leaf][:3]
    near += difflib.get_close_matches(path, paths, n=1, cutoff=0.6)
    near = list(dict.fromkeys(near))
    where = f'`{parent}`' if parent else 'the config'
    hint = f'Did you mean {" or ".join(near[:4])}?' if near else f'It has: {", ".join(names)}.'
    if parent == 'default_hooks':
        hint = f'A new hook also needs {parent}.{key}.type=NAME. {hint}'
    return UnknownOptionError(f'--cfg-options {path}: {where} has no `{key}`. {hint}')


def walk(node: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    """Yield every dotted path in a config with its value."""
    if isinstance(node, (Mapping, Config)):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        return
    for key, value in items:
        here = f'{path}.{key}' if path else str(key)
        yield here, value
        yield from walk(value, here)
