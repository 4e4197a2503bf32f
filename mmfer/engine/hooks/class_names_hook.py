# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmfer.registry import HOOKS


class ClassNamesError(ValueError):
    """A checkpoint or a model has other classes than the data set it is used with."""


def _class_names(dataset_meta) -> tuple[str, ...] | None:
    if not isinstance(dataset_meta, Mapping):
        return None
    names = dataset_meta.get('classes', dataset_meta.get('CLASSES'))
    return tuple(names) if isinstance(names, (list, tuple)) else None


@HOOKS.register_module()
class ClassNamesHook(Hook):
    """Refuse a checkpoint whose classes are not those of the data set, in the same order.

    Expression data sets number the same seven words in different orders, so a model can be used
    with a wrong order for weeks and only look bad. The runner writes the training set's class names
    into every checkpoint; this hook compares them when one is loaded. Checkpoints without names
    pass.

    Before training it compares numbers as well: a model with fewer outputs than the data set has
    classes would end in an ``IndexError``, on a GPU in a device-side assertion. More are a warning,
    since people or classes may be missing in a part of a data set.

    Args:
        check: False allows another set of classes, for fine-tuning on other classes
            (``--cfg-options default_hooks.class_names.check=False``). Weights alone can be taken
            over without this by ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix=...)``.
    """

    def __init__(self, check: bool = True) -> None:
        self.check = check

    def before_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        outputs = getattr(getattr(model, 'head', None), 'num_classes', None)
        names = _class_names(runner.visualizer.dataset_meta)
        if outputs is None or names is None or outputs == len(names):
            return
        message = (
            f'the model has {outputs} outputs (model.head.num_classes), the data set '
            f'{len(names)} classes: {names}'
        )
        if outputs < len(names):
            raise ClassNamesError(
                f'{message}. Set model.head.num_classes and data_preprocessor.num_classes to '
                f'{len(names)}'
            )
        runner.logger.warning(f'{message}. Mean F1 counts the outputs without a class as 0.')

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        saved = _class_names(checkpoint.get('meta', {}).get('dataset_meta'))
        present = _class_names(runner.visualizer.dataset_meta)
        if saved is None or present is None or saved == present:
            return
        if not self.check:
            runner.logger.warning(f'Classes of the checkpoint {saved}, of the data set {present}.')
            return
        what = 'other classes than'
        remedy = (
            'If this is meant (fine-tuning on other classes), set '
            '--cfg-options default_hooks.class_names.check=False'
        )
        if sorted(saved) == sorted(present):
            what = 'the classes in another order than'
            remedy = (
                "The model's outputs would be read as other expressions. Number the data set's "
                f'labels like the checkpoint: metainfo=dict(classes={saved}), and where folders '
                'decide the number (CustomDataset), names of folders that sort in this order'
            )
        raise ClassNamesError(
            f'the checkpoint has {what} the data set.\n  checkpoint: {saved}\n'
            f'  data set:   {present}\n{remedy}.'
        )
