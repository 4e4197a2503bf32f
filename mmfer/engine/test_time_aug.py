# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Test a model on several views of each image: what ``tools/test.py --tta`` changes in a config.

MMEngine does the work: ``TestTimeAug`` in the pipeline makes the views, and a ``BaseTTAModel``
around the model tests each and merges what it says.
"""

import copy
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmpretrain.datasets.transforms import PackInputs

from mmfer.registry import TRANSFORMS
from mmfer.utils.components import is_component

#: The image first: what is not merged is taken from it and not from its mirror image.
FLIP = [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)]


def set_tta(cfg: Config) -> None:
    """Turn on test-time augmentation.

    The config's ``tta_model`` and ``tta_pipeline`` are used, as far as it has them. By default the
    model sees the image as the test pipeline prepares it, and the same mirrored, and its
    probabilities for both are averaged (:class:`~mmfer.models.tta.AverageScoresTTA`).

    Args:
        cfg (Config): The config; its ``model`` and the pipelines of ``test_dataloader`` are
            changed.

    Raises:
        ValueError: There is no test pipeline, or it ends otherwise than with ``PackInputs``, where
            the mirroring goes in.
    """
    datasets = list(_with_pipeline(cfg.test_dataloader.dataset))
    if not datasets:
        raise ValueError(
            '--tta: no dataset in test_dataloader.dataset of the config has a pipeline, in which '
            "the images could be mirrored. Give it one, such as [dict(type='PackInputs')]"
        )
    pipelines = [cfg.get('tta_pipeline') or _mirrored(dataset.pipeline) for dataset in datasets]
    # Only then changed: a config may use one dict for several datasets.
    for dataset, pipeline in zip(datasets, pipelines, strict=True):
        dataset.pipeline = copy.deepcopy(pipeline)
    # The wrapper gives the module its own data preprocessor, the module's own comes first.
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
    wrapper = dict(cfg.get('tta_model') or dict(type='AverageScoresTTA'))
    wrapper.setdefault('data_preprocessor', preprocessor)
    cfg.model = dict(wrapper, module=cfg.model)


def _with_pipeline(dataset: Any) -> Iterator[Any]:
    """Configs of datasets that have a pipeline, in whatever wrappers."""
    if dataset.get('pipeline'):
        yield dataset
    for inner in [dataset.get('dataset'), *dataset.get('datasets', [])]:
        if inner:
            yield from _with_pipeline(inner)


def _mirrored(pipeline: list[dict]) -> list[dict]:
    *steps, last = pipeline
    if not is_component(last, TRANSFORMS, PackInputs):
        raise ValueError(
            f'--tta: the test pipeline ends with {last["type"]}, and mirroring goes in before a '
            'PackInputs at the end. Write tta_pipeline in the config'
        )
    return [*steps, dict(type='TestTimeAug', transforms=[FLIP, [last]])]
