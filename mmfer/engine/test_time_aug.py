# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Set up test-time augmentation in a config, for ``tools/test.py --tta``.

MMEngine does the work: ``TestTimeAug`` in the pipeline creates the views, and a ``BaseTTAModel``
around the model runs each view and merges the predictions.
"""

import copy
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmpretrain.datasets.transforms import PackInputs

from mmfer.registry import HOOKS, TRANSFORMS
from mmfer.utils.components import is_component

#: The original image comes first: fields that are not merged come from the first view.
FLIP = [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)]


def set_tta(cfg: Config) -> None:
    """Turn on test-time augmentation.

    Uses ``tta_model`` and ``tta_pipeline`` of the config, if set. The default views are the image
    from the test pipeline and its mirror image; their probabilities are averaged
    (:class:`~mmfer.models.tta.AverageScoresTTA`).

    Averaged weights are tested without their ``EMAHook``: checkpoints have them as the weights of
    the model, but the hook would look for them in the wrapper, whose names differ, and test random
    weights.

    Args:
        cfg (Config): The config; its ``model``, its hooks and the pipelines of
            ``test_dataloader`` are changed in place.

    Raises:
        ValueError: There is no test pipeline; it does not end with ``PackInputs``, before which the
            flip is inserted; or an ``EMAHook`` also tests weights that are not averaged.
    """
    _remove_ema(cfg)
    datasets = list(_with_pipeline(cfg.test_dataloader.dataset))
    if not datasets:
        raise ValueError(
            '--tta: no dataset in test_dataloader.dataset of the config has a pipeline to add the '
            "flip to. Set one, such as [dict(type='PackInputs')]"
        )
    pipelines = [cfg.get('tta_pipeline') or _mirrored(dataset.pipeline) for dataset in datasets]
    # Change pipelines only after all are computed: several datasets may share the same dict.
    for dataset, pipeline in zip(datasets, pipelines, strict=True):
        dataset.pipeline = copy.deepcopy(pipeline)
    # The wrapper replaces the data preprocessor of the model by its own, so both must be the same.
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
    wrapper = dict(cfg.get('tta_model') or dict(type='AverageScoresTTA'))
    wrapper.setdefault('data_preprocessor', preprocessor)
    cfg.model = dict(wrapper, module=cfg.model)


def _remove_ema(cfg: Config) -> None:
    listed, named = cfg.get('custom_hooks') or [], cfg.get('default_hooks') or {}
    for hook in [*listed, *named.values()]:
        if _is_ema(hook) and (
            hook.get('evaluate_on_origin') or not hook.get('evaluate_on_ema', True)
        ):
            raise ValueError(
                '--tta tests averaged weights only, but the EMAHook has evaluate_on_origin=True or '
                'evaluate_on_ema=False; remove the setting, or test without --tta'
            )
    cfg.custom_hooks = [hook for hook in listed if not _is_ema(hook)]
    cfg.default_hooks = {name: hook for name, hook in named.items() if not _is_ema(hook)}


def _is_ema(hook: Any) -> bool:
    return is_component(hook, HOOKS, EMAHook)


def _with_pipeline(dataset: Any) -> Iterator[Any]:
    """Yield the configs of all datasets with a pipeline, also inside wrappers."""
    if dataset.get('pipeline'):
        yield dataset
    for inner in [dataset.get('dataset'), *dataset.get('datasets', [])]:
        if inner:
            yield from _with_pipeline(inner)


def _mirrored(pipeline: list[dict]) -> list[dict]:
    *steps, last = pipeline
    if not is_component(last, TRANSFORMS, PackInputs):
        raise ValueError(
            f'--tta: the test pipeline ends with {last["type"]}, but the flip is inserted before '
            'a PackInputs at the end. Set tta_pipeline in the config'
        )
    return [*steps, dict(type='TestTimeAug', transforms=[FLIP, [last]])]
