# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop

from mmfer.datasets.determinism import leaf_datasets
from mmfer.registry import HOOKS

_PARTS = ('train', 'val', 'test')


class ClassNamesError(ValueError):
    """Data sets, model and checkpoint of a run do not have the same classes."""


@HOOKS.register_module()
class ClassNamesHook(Hook):
    """Refuse to run data sets, a model and a checkpoint whose classes are not the same.

    Expression data sets number the same seven words in different orders, and where folders decide,
    a missing one renumbers those after it. The labels then mean other classes, and the results only
    look bad. Before anything is loaded, this hook compares

    * the classes of training and validation set, and of the sets that a wrapper puts together;
    * the outputs of the model with the classes: fewer would end in an ``IndexError``, on a GPU in a
      device-side assertion. More are a warning, since people or classes may be missing in a part of
      a data set;
    * where a data set has no names, its labels with the outputs;

    When a checkpoint is loaded, its classes (those of its training set) are compared as well.
    Checkpoints without names pass, and so do models without classes.

    Args:
        check (bool): False allows a checkpoint with another set of classes, for fine-tuning on
            other classes (``--cfg-options default_hooks.class_names.check=False``), and a
            validation set that lacks the last classes. Weights alone can be taken over without this
            by ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix=...)``.
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
        # Wrappers do not always hand the names on.
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
            runner.logger.warning(f'Classes of the checkpoint {saved}, of the data set {present}.')
            return
        if sorted(saved) == sorted(present):
            what = 'the classes in another order than'
            remedy = (
                "The model's outputs would be read as other expressions. Number the labels like "
                f'the checkpoint: {part}_dataloader.dataset.metainfo=dict(classes={saved}); '
                'folders of a CustomDataset must then be called like the classes'
            )
        else:
            what = 'other classes than'
            remedy = f'{_difference(saved, present, data)}. {_how_to_agree(data)}'
            if part == 'train':
                remedy += (
                    '. If this is meant (fine-tuning on other classes), set --cfg-options '
                    'default_hooks.class_names.check=False'
                )
        raise ClassNamesError(
            f'the checkpoint has {what} {part}_dataloader.dataset.\n  checkpoint: {saved}\n'
            f'  data set:   {present}\n{remedy}.'
        )

    def _require_same(self, runner, first: tuple, other: tuple) -> None:
        """Raise unless both have the same names, or the other lacks the last and may."""
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
            f'{message} A label would not mean the same in both. {_how_to_agree(data)}.'
        )

    @staticmethod
    def _compare_outputs(runner, outputs: int, part: str, data: Any, names: tuple) -> None:
        if outputs == len(names):
            return
        message = (
            f'the model has {outputs} outputs (model.head.num_classes), '
            f'{part}_dataloader.dataset{_in(data)} {len(names)} classes: {names}'
        )
        if outputs < len(names):
            folders = 'If a folder there is no class, take it away. If all are, set '
            raise ClassNamesError(
                f'{message}. {folders if hasattr(data, "folder_to_idx") else "Set "}'
                f'model.head.num_classes and data_preprocessor.num_classes to {len(names)}'
            )
        runner.logger.warning(f'{message}. Mean F1 counts the outputs without a class as 0.')


def _data_sets(runner) -> Iterator[tuple[str, Any]]:
    """The data sets of a run in their wrappers, training first, with the part they belong to."""
    for part in _PARTS:
        loop = getattr(runner, f'_{part}_loop')  # built for the run, or still a config
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
    """The head of a model in its wrappers, for several processes or test-time augmentation."""
    while not hasattr(model, 'head') and hasattr(model, 'module'):
        model = model.module
    return getattr(model, 'head', None)


def _in(data: Any) -> str:
    place = getattr(data, 'img_prefix', None) or getattr(data, 'data_root', None)
    return f' ({place})' if place else ''


def _difference(names: tuple, other: tuple, data: Any) -> str:
    """In words: what of ``names`` is not in ``other``, which are those of ``data``, and back."""
    kind = 'folder' if hasattr(data, 'folder_to_idx') else 'class'
    lacking = [name for name in names if name not in other]
    more = [name for name in other if name not in names]
    said = [f'The {kind} {name!r} is missing{_in(data)}' for name in lacking[:5]]
    said += [f'The {kind} {name!r} is there only{_in(data)}' for name in more[:5]]
    return '. '.join(said) or 'The order differs'


def _how_to_agree(data: Any) -> str:
    if not hasattr(data, 'folder_to_idx'):
        return 'Give all data sets of the config the same classes in the same order'
    return (
        'Take folders that are no classes away, and make one, which may be empty, for each class '
        'that is missing; or give all data sets of the config metainfo=dict(classes=[...]) with '
        'the names of all folders'
    )


def _require_order_of_folders(part: str, data: Any, names: tuple) -> None:
    """Raise where folders are called like classes and numbered like others."""
    numbers = {str(name).casefold(): number for number, name in enumerate(names)}
    for folder, number in (getattr(data, 'folder_to_idx', None) or {}).items():
        if numbers.get(folder.casefold(), number) != number:
            raise ClassNamesError(
                f'{part}_dataloader.dataset{_in(data)} numbers the folder {folder!r} as {number}, '
                f'which is {names[number]!r} in its classes {names}: {type(data).__module__} goes '
                "by the alphabet. type='mmfer.CustomDataset' goes by the classes"
            )


def _require_labels_below(outputs: int, part: str, data: Any) -> None:
    """Raise where a label of a data set that names no classes is that of no output."""
    if not hasattr(data, 'get_cat_ids') or not getattr(data, 'with_label', True):
        return
    for index in range(len(data)):
        try:
            label = max(data.get_cat_ids(index), default=0)
        except (KeyError, NotImplementedError):
            return  # it has no labels, or does not tell
        if label >= outputs:
            raise ClassNamesError(
                f'{part}_dataloader.dataset{_in(data)}: sample {index} has the label {label}, and '
                f'the model outputs for the labels 0 to {outputs - 1} (model.head.num_classes)'
            )
