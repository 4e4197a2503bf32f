# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop

from mmfer.datasets.determinism import leaf_datasets
from mmfer.registry import HOOKS

_SPLITS = ('train', 'val', 'test')


class ClassNamesError(ValueError):
    """Datasets, model and checkpoint of a run do not have the same classes."""


@HOOKS.register_module()
class ClassNamesHook(Hook):
    """Check that the datasets, the model and the checkpoint of a run have the same classes.

    Expression datasets number the same seven classes in different orders. If folders define the
    classes, a missing folder renumbers those after it. Then labels mean other classes, and the only
    symptom is a bad result. Before weights are loaded, this hook compares

    * the classes of training and validation set, also inside wrappers such as ``ConcatDataset``;
    * the number of model outputs with the number of classes. Fewer outputs would cause an
      ``IndexError``, or a device-side assertion on a GPU. More outputs are only a warning, since
      people or classes may be missing in a split of a dataset;
    * for a dataset without class names, its labels with the number of outputs.

    When a checkpoint is loaded, its classes (those of its training set) are compared as well.
    Checkpoints without class names, and models without classes, are not checked.

    Args:
        check (bool): False allows a checkpoint with other classes, for fine-tuning
            (``--cfg-options default_hooks.class_names.check=False``), and a validation set that
            lacks the last classes. It is not needed to load weights by
            ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix=...)``. Defaults to True.

    Raises:
        ClassNamesError: The classes differ.
    """

    def __init__(self, check: bool = True) -> None:
        self.check = check

    def before_run(self, runner) -> None:
        sets = list(_data_sets(runner))
        named = [(part, data, names) for part, data in sets if (names := _class_names(data))]
        for part, data, names in named:
            _require_order_of_folders(part, data, names)
            self._require_same(runner, named[0], (part, data, names))
        outputs = getattr(_head(runner.model), 'num_classes', None)
        if outputs is None:
            return
        if named:
            self._compare_outputs(runner, outputs, *named[0])
        for part, data in sets:
            if not _class_names(data):
                _require_labels_below(outputs, part, data)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        # Wrappers do not always pass on the names.
        meta = checkpoint['meta'].setdefault('dataset_meta', {})
        if isinstance(meta, dict) and not _names_in(meta):
            names = [_class_names(data) for data in leaf_datasets(runner.train_dataloader.dataset)]
            meta.update({'classes': names[0]} if names and names[0] else {})

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        saved = _names_in(checkpoint.get('meta', {}).get('dataset_meta'))
        named = [(part, data) for part, data in _data_sets(runner) if _class_names(data)]
        if saved is None or not named or saved == _class_names(named[0][1]):
            return
        part, data = named[0]
        present = _class_names(data)
        if not self.check:
            runner.logger.warning(f'The checkpoint has the classes {saved}, the dataset {present}.')
            return
        if sorted(saved) == sorted(present):
            what = 'the classes in another order than'
            remedy = (
                'The outputs of the model would be read as other expressions. Use the order of '
                f'the checkpoint: {part}_dataloader.dataset.metainfo=dict(classes={saved}); '
                'folders of a CustomDataset must then be named like the classes'
            )
        else:
            what = 'other classes than'
            remedy = f'{_difference(saved, present, data)}. {_how_to_agree(data)}'
            if part == 'train':
                remedy += (
                    '. If this is intended (fine-tuning on other classes), set --cfg-options '
                    'default_hooks.class_names.check=False'
                )
        raise ClassNamesError(
            f'the checkpoint has {what} {part}_dataloader.dataset.\n  checkpoint: {saved}\n'
            f'  dataset:    {present}\n{remedy}.'
        )

    def _require_same(self, runner, first: tuple, other: tuple) -> None:
        """Raise unless both have the same names, or the other one may lack the last names."""
        part, _, names = first
        other_part, data, other_names = other
        if names == other_names:
            return
        message = (
            f'{other_part}_dataloader.dataset{_in(data)} has other classes than '
            f'{part}_dataloader.dataset.\n  {part}: {names}\n  {other_part}: {other_names}\n'
            f'{_difference(names, other_names, data)}.'
        )
        if not self.check and names[: len(other_names)] == other_names:
            runner.logger.warning(message)
            return
        raise ClassNamesError(
            f'{message} The same label would mean different classes. {_how_to_agree(data)}.'
        )

    @staticmethod
    def _compare_outputs(runner, outputs: int, part: str, data: Any, names: tuple) -> None:
        if outputs == len(names):
            return
        message = (
            f'the model has {outputs} outputs (model.head.num_classes), but '
            f'{part}_dataloader.dataset{_in(data)} has {len(names)} classes: {names}'
        )
        if outputs < len(names):
            folders = 'If one of its folders is not a class, remove it. If all are, set '
            raise ClassNamesError(
                f'{message}. {folders if hasattr(data, "folder_to_idx") else "Set "}'
                f'model.head.num_classes and data_preprocessor.num_classes to {len(names)}'
            )
        runner.logger.warning(f'{message}. In mean F1, outputs without a class count as 0.')


def _data_sets(runner) -> Iterator[tuple[str, Any]]:
    """Yield the datasets inside their wrappers, with the name of their split; training first."""
    for part in _SPLITS:
        loop = getattr(runner, f'_{part}_loop')  # built already, or still a config
        if isinstance(loop, BaseLoop) and hasattr(loop, 'dataloader'):
            for data in leaf_datasets(loop.dataloader.dataset):
                yield part, data


def _names_in(dataset_meta: Any) -> tuple[str, ...] | None:
    if not isinstance(dataset_meta, Mapping):
        return None
    names = dataset_meta.get('classes', dataset_meta.get('CLASSES'))
    return tuple(names) if isinstance(names, (list, tuple)) else None


def _class_names(data: Any) -> tuple[str, ...] | None:
    return _names_in(getattr(data, 'metainfo', None))


def _head(model: Any) -> Any:
    """Return the head of a model, also inside wrappers for DDP or test-time augmentation."""
    while not hasattr(model, 'head') and hasattr(model, 'module'):
        model = model.module
    return getattr(model, 'head', None)


def _in(data: Any) -> str:
    place = getattr(data, 'img_prefix', None) or getattr(data, 'data_root', None)
    return f' ({place})' if place else ''


def _difference(names: tuple, other: tuple, data: Any) -> str:
    """Describe the difference between ``names`` and ``other``, the names of ``data``."""
    kind = 'folder' if hasattr(data, 'folder_to_idx') else 'class'
    lacking = [name for name in names if name not in other]
    more = [name for name in other if name not in names]
    lines = [f'The {kind} {name!r} is missing{_in(data)}' for name in lacking[:5]]
    lines += [f'The {kind} {name!r} exists only there{_in(data)}' for name in more[:5]]
    return '. '.join(lines) or 'The order differs'


def _how_to_agree(data: Any) -> str:
    if not hasattr(data, 'folder_to_idx'):
        return 'Give all datasets of the config the same classes in the same order'
    return (
        'Remove folders that are not classes, and create a folder, which may be empty, for each '
        'missing class; or give all datasets of the config metainfo=dict(classes=[...]) with the '
        'names of all folders'
    )


def _require_order_of_folders(part: str, data: Any, names: tuple) -> None:
    """Raise if a folder with the name of a class has the number of another class."""
    numbers = {str(name).casefold(): number for number, name in enumerate(names)}
    for folder, number in (getattr(data, 'folder_to_idx', None) or {}).items():
        if numbers.get(folder.casefold(), number) != number:
            raise ClassNamesError(
                f'{part}_dataloader.dataset{_in(data)} numbers the folder {folder!r} as {number}, '
                f'which is {names[number]!r} in its classes {names}: {type(data).__module__} '
                "numbers folders alphabetically. Use type='mmfer.CustomDataset', which numbers "
                'them by the classes'
            )


def _require_labels_below(outputs: int, part: str, data: Any) -> None:
    """Raise if a dataset without class names has a label for which the model has no output."""
    if not hasattr(data, 'get_cat_ids') or not getattr(data, 'with_label', True):
        return
    for index in range(len(data)):
        try:
            label = max(data.get_cat_ids(index), default=0)
        except (KeyError, NotImplementedError):
            return  # it has no labels, or does not provide them
        if label >= outputs:
            raise ClassNamesError(
                f'{part}_dataloader.dataset{_in(data)}: sample {index} has the label {label}, but '
                f'the model has outputs for labels 0 to {outputs - 1} (model.head.num_classes)'
            )
