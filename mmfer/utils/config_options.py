# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check ``--cfg-options`` before they are merged: MMEngine takes any name and ignores typos."""

import argparse
import difflib
import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
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
from torch.utils.data import DataLoader

from . import safe_yaml  # noqa: F401
from .components import find

#: Top-level names that the runner reads from the config without having them as arguments.
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
#: Sections without a `type` whose signature would tell: what is built from them, and further names.
_SECTIONS = {
    'train_dataloader': _DATALOADER,
    'val_dataloader': _DATALOADER,
    'test_dataloader': _DATALOADER,
    'train_cfg': ([EpochBasedTrainLoop, IterBasedTrainLoop], ['type', 'by_epoch']),
    'val_cfg': _TEST_LOOP,
    'test_cfg': _TEST_LOOP,
    'optim_wrapper': ([OptimWrapper], ['type', 'constructor', 'paramwise_cfg']),
    'auto_scale_lr': ([], ['enable', 'base_batch_size']),
    'env_cfg': ([], ['cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit']),
    'env_cfg.dist_cfg': ([], ['backend', 'timeout', 'init_backend', 'init_method']),
    'env_cfg.mp_cfg': ([], ['mp_start_method', 'opencv_num_threads']),
    'log_processor': ([LogProcessor], ['type']),
    'randomness': ([set_random_seed], []),
}
_NEW_HOOK = re.compile(r'default_hooks\.\w+')


class UnknownOptionError(KeyError):
    """An override names something that does not exist, or that nothing would read."""

    def __str__(self) -> str:  # KeyError would show the repr, with its line breaks escaped
        return self.args[0]


def read_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and override settings.

    Args:
        path: The config file.
        options: See :func:`merge_options`. Default: none.

    Raises:
        FileNotFoundError: There is no such config.
        UnknownOptionError: See :func:`merge_options`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'there is no config {path} (from {os.getcwd()}); `mim train mmfer NAME.py` finds the '
            "package's own configs by name, this takes a path"
        )
    cfg = Config.fromfile(path)
    merge_options(cfg, options)
    return cfg


def parse_options(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` words with the rules of :class:`mmengine.config.DictAction`.

    Raises:
        ValueError: A word is no assignment, or its brackets are not closed.
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
        cfg: The config; changed in place.
        options: Dotted path -> value, as :class:`mmengine.config.DictAction` parses them. Numbers
            in a path are list indices: ``val_evaluator.0.topk``. Where one of them chooses another
            ``type``, the arguments of that one are known; those in the config stay.

    Raises:
        UnknownOptionError: A path does not exist in the config, and no component on the way to it
            takes an argument of this name; or it is a helper variable of the config file that has
            been copied to its place already, so that changing it would do nothing.
    """
    options = dict(options or {})
    for path in options:
        _check_has_effect(cfg, path)
        # A further hook is given by several options, one of which is its type.
        if not (_NEW_HOOK.match(path) and f'{_NEW_HOOK.match(path)[0]}.type' in options):
            _check_path(cfg, path, options)
    cfg.merge_from_dict(options)


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
        f'file, and its value has been copied already to where it is used.{instead}'
    )


def _check_path(cfg: Config, path: str, options: Mapping[str, Any]) -> None:
    # Plain dicts: a ConfigDict resolves lazily and a Config is no Mapping.
    node, keys = cfg.to_dict(), path.split('.')
    for depth, key in enumerate(keys):
        parent = '.'.join(keys[:depth])
        if isinstance(node, (list, tuple)):
            if not key.isdigit() or int(key) >= len(node):
                raise UnknownOptionError(
                    f'--cfg-options {path}: `{parent}` is a list of {len(node)}; `{key}` should '
                    f'be an index from 0 to {len(node) - 1}'
                )
            node = node[int(key)]
        elif isinstance(node, Mapping):
            if 'type' in node:
                # Another option may choose another component; the argument is one of that then.
                node = {**node, 'type': options.get(f'{parent}.type', node['type'])}
            if key not in node:
                if not _accepts(node, parent, key):
                    raise _unknown(cfg, node, path, parent, key)
                return  # a new branch: there is nothing to check its inner names against
            node = node[key]
        else:
            raise UnknownOptionError(
                f'--cfg-options {path}: `{parent}` is {node!r} in the config, so nothing inside it '
                'can be set. Write the whole section in a config file that inherits from this one'
            )


def _accepts(node: Mapping, parent: str, key: str) -> bool:
    return key in ('_delete_', '_scope_') or key in _accepted_names(node, parent)


def _accepted_names(node: Mapping, parent: str) -> set[str]:
    if not parent:
        return _runner_names()
    components, names = _SECTIONS.get(parent, ([], []))
    return set(names).union(*map(_argument_names, [node.get('type'), *components]))


def _runner_names() -> set[str]:
    return set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | _RUNNER_EXTRAS


def _argument_names(component: Any) -> set[str]:
    """Names that a component's constructor takes, its bases' too where it hands ``**kwargs`` on."""
    names = set()
    for cls in _classes(component):
        for base in inspect.getmro(cls) if inspect.isclass(cls) else [cls]:
            function = base.__dict__.get('__init__') if inspect.isclass(base) else base
            if not inspect.isroutine(function) or base is object:
                continue
            parameters = inspect.signature(function).parameters.values()
            names |= {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
            if all(p.kind is not p.VAR_KEYWORD for p in parameters):
                break
    return names - {'self'}


def _classes(component: Any) -> list:
    """What a config's ``type`` stands for; a name may be registered in several registries."""
    if not isinstance(component, str):
        return [component] if callable(component) else []
    from mmfer import registry

    nodes = [node for node in vars(registry).values() if isinstance(node, Registry)]
    return [found for node in nodes if (found := find(component, node)) is not None]


def _unknown(cfg: Config, node: Mapping, path: str, parent: str, key: str) -> UnknownOptionError:
    names = sorted({*map(str, node), *_accepted_names(node, parent)})
    prefix = f'{parent}.' if parent else ''
    near = [prefix + name for name in difflib.get_close_matches(key, names, n=3, cutoff=0.6)]
    paths = [p for p, _ in walk(cfg) if p.split('.')[0] in _runner_names()]
    leaf = path.split('.')[-1]
    near += [p for p in paths if p.split('.')[-1] == leaf][:3]
    near += difflib.get_close_matches(path, paths, n=1, cutoff=0.6)
    near = list(dict.fromkeys(near))
    where = f'`{parent}`' if parent else 'the config'
    hint = f'Did you mean {" or ".join(near[:4])}?' if near else f'It has: {", ".join(names)}.'
    return UnknownOptionError(f'--cfg-options {path}: {where} has no `{key}`. {hint}')


def walk(node: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    """Every dotted path in a config with its value."""
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
