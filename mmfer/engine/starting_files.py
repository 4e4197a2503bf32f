# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The checkpoint files that a training needs at its start."""

import os
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.model import PretrainedInit

from mmfer.checkpoint.starting_weights import how_to_get
from mmfer.registry import WEIGHT_INITIALIZERS
from mmfer.tasks import TASKS
from mmfer.utils.components import is_component
from mmfer.utils.config_options import walk


def starts(cfg: Config) -> dict[str, str]:
    """Return the files of initial weights by setting: ``load_from``, every ``init_cfg``, priors."""
    found = {'load_from': cfg.get('load_from')}
    found |= _named_in({key: part for key, part in cfg.model.items() if key != 'priors'}, 'model')
    for task, prior in _priors(cfg.model).items():
        place = f'model.priors.{task}'
        if prior.get('checkpoint'):
            found[f'{place}.checkpoint'] = prior['checkpoint']
        else:
            found |= _named_in(prior, place)
    return {key: path for key, path in found.items() if path}


def _named_in(node: Mapping, place: str) -> dict[str, str]:
    """Return the files in all ``init_cfg`` settings below a node of a config."""
    return {
        f'{path}.checkpoint': part.get('checkpoint')
        for path, part in walk(node, place)
        if isinstance(part, Mapping) and is_component(part, WEIGHT_INITIALIZERS, PretrainedInit)
    }


def _priors(model: Mapping) -> dict[str, Mapping]:
    """Return the priors that a model uses, selected as in ``FaceAnalyzer``."""
    priors, neck = model.get('priors'), model.get('neck')
    if not (isinstance(priors, Mapping) and isinstance(neck, Mapping)):
        return {}
    tasks, canonical = neck.get('tasks', TASKS), neck.get('canonical', 'expression')
    given = [task for task in tasks if task != canonical and isinstance(priors.get(task), Mapping)]
    return {task: priors[task] for task in given[: model.get('num_priors')]}


def require_starting_files(cfg: Config) -> None:
    """Check that all files of initial weights exist, before anything is built.

    Raises:
        FileNotFoundError: Lists each missing file with its setting, and how to get it.
    """
    missing = {}
    for key, path in starts(cfg).items():
        if '://' not in path and not os.path.isfile(os.path.expanduser(path)):
            missing.setdefault(path, key)
    if missing:
        raise FileNotFoundError(
            f'initial weights are missing (relative to {os.getcwd()}):\n'
            + '\n'.join(
                f'  {path} ({key}) does not exist: {how_to_get(path)}'
                for path, key in missing.items()
            )
            + '\nTo train without a file, set the init_cfg that names it to None, as in '
            '--cfg-options model.backbone.init_cfg=None'
        )
