# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Registry nodes of mmfer.

Every node is a child of mmpretrain's node of the same name. So a config with ``default_scope =
'mmfer'`` finds mmfer's components first, then those of mmpretrain and, through it, of mmengine. A
lookup in a child does not import the ``locations`` of its parent; therefore the packages listed
here import their mmpretrain counterparts themselves.
"""

from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import Registry
from mmpretrain import registry as mmpretrain

SCOPE = 'mmfer'


def _node(name: str, parent: Registry, *locations: str) -> Registry:
    return Registry(name, parent=parent, scope=SCOPE, locations=list(locations))


_ENGINE = 'mmfer.engine'
_DATASETS = 'mmfer.datasets'
_MODELS = 'mmfer.models'
_EVALUATION = 'mmfer.evaluation'
_VISUALIZATION = 'mmfer.visualization'

RUNNERS = _node('runner', mmpretrain.RUNNERS, _ENGINE)
RUNNER_CONSTRUCTORS = _node('runner constructor', mmpretrain.RUNNER_CONSTRUCTORS, _ENGINE)
LOOPS = _node('loop', mmpretrain.LOOPS, _ENGINE)
HOOKS = _node('hook', mmpretrain.HOOKS, _ENGINE)
LOG_PROCESSORS = _node('log processor', mmpretrain.LOG_PROCESSORS, _ENGINE)
OPTIMIZERS = _node('optimizer', mmpretrain.OPTIMIZERS, _ENGINE)
OPTIM_WRAPPERS = _node('optimizer wrapper', mmpretrain.OPTIM_WRAPPERS, _ENGINE)
OPTIM_WRAPPER_CONSTRUCTORS = _node(
    'optimizer wrapper constructor', mmpretrain.OPTIM_WRAPPER_CONSTRUCTORS, _ENGINE
)
PARAM_SCHEDULERS = _node('parameter scheduler', mmpretrain.PARAM_SCHEDULERS, _ENGINE)

DATASETS = _node('dataset', mmpretrain.DATASETS, _DATASETS)
DATA_SAMPLERS = _node('data sampler', mmpretrain.DATA_SAMPLERS, _DATASETS)
TRANSFORMS = _node('transform', mmpretrain.TRANSFORMS, _DATASETS)
FUNCTIONS = _node('function', MMENGINE_FUNCTIONS, _DATASETS)

MODELS = _node('model', mmpretrain.MODELS, _MODELS)
MODEL_WRAPPERS = _node('model_wrapper', mmpretrain.MODEL_WRAPPERS, _MODELS)
WEIGHT_INITIALIZERS = _node('weight initializer', mmpretrain.WEIGHT_INITIALIZERS, _MODELS)
BATCH_AUGMENTS = _node('batch augment', mmpretrain.BATCH_AUGMENTS, _MODELS)
TASK_UTILS = _node('task util', mmpretrain.TASK_UTILS, _MODELS)

METRICS = _node('metric', mmpretrain.METRICS, _EVALUATION)
EVALUATORS = _node('evaluator', mmpretrain.EVALUATORS, _EVALUATION)

VISUALIZERS = _node('visualizer', mmpretrain.VISUALIZERS, _VISUALIZATION)
VISBACKENDS = _node('vis_backend', mmpretrain.VISBACKENDS, _VISUALIZATION)
