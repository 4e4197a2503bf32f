# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
from numbers import Real

from mmengine.config import Config
from mmengine.evaluator import Evaluator

from mmfer.inference.split_loader import build_split_loader

from .exported import ExportedModel
from .load import resize_images


def evaluate(
    model: ExportedModel, cfg: Config, num: int | None = None
) -> tuple[dict[str, float], int]:
    """Evaluate an exported model by the metrics of a config's test set.

    Args:
        model (ExportedModel): An exported model. Images of the test pipeline are resized to its
            size.
        cfg (Config): The config; the files of its test set must exist.
        num (int, optional): Number of images, spread evenly over the set. Defaults to None, all.

    Returns:
        The metrics that are numbers, and the number of images.

    Raises:
        FileNotFoundError: The test set does not exist.
        ValueError: The config has no test set, or the model predicts landmarks for another image
            size.
    """
    loader = cfg.get('test_dataloader')
    if not loader or not cfg.get('test_evaluator'):
        raise ValueError('the config has no test_dataloader with a test_evaluator')
    images, size = build_split_loader(cfg, 'test', num), model.facts.get('input_size')
    evaluator = Evaluator(copy.deepcopy(cfg.test_evaluator))
    evaluator.dataset_meta = images.dataset.dataset.metainfo
    # Like mmengine's TestLoop, which would need a runner with log files and hooks.
    for batch in images:
        before = list(batch['inputs'].shape[2:])
        if size and before != list(size):
            if 'landmarks' in model.output_names:
                raise ValueError(
                    f'the test pipeline yields images and landmarks of {before[0]}x{before[1]} '
                    f'pixels, and the model was exported for {size[0]}x{size[1]}; set that size '
                    'in the test pipeline'
                )
            batch['inputs'] = resize_images(batch['inputs'], size)
        evaluator.process(model.test_step(batch), batch)
    metrics = evaluator.evaluate(len(images.dataset))
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, Real)}
    return numbers, len(images.dataset)
