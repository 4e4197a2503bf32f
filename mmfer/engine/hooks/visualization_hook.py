# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
from collections.abc import Sequence
from typing import Any

from mmengine.dist import get_dist_info
from mmengine.runner import Runner
from mmpretrain.engine.hooks import visualization_hook
from mmpretrain.structures import DataSample

from mmfer.registry import HOOKS

_SIDE = 256  # approximate shorter side of a drawing, in pixels
_LONGEST = 200  # bytes of the path in a file name; file systems allow 255 for the whole name


@HOOKS.register_module()
class VisualizationHook(visualization_hook.VisualizationHook):
    """mmpretrain's ``VisualizationHook`` with unique file names and correct colors.

    It replaces mmpretrain's hook in the registry of mmfer. mmpretrain names a drawing after the
    image file, so two files ``1.jpg`` in different folders, or two faces of one image, overwrite
    each other; and it draws BGR as RGB. Here :func:`drawing_name` makes names such as
    ``000012_0_Anger__1.jpg.png``; in validation the epoch or iteration is appended. Small images
    are enlarged.

    Only the first process draws; in a distributed test it draws its own images. The log has their
    number.

    Args:
        **kwargs: Arguments of mmpretrain's hook: ``enable``, ``interval``, ``show``, ``out_dir``, …
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._start()

    def _start(self, *_) -> None:
        self._seen = self._drawn = 0  # samples since the loop began
        self._root: str | None = None

    before_val_epoch = before_test_epoch = _start

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DataSample]
    ) -> None:
        by_epoch = isinstance(runner.train_loop, visualization_hook.EpochBasedTrainLoop)
        step = runner.epoch if by_epoch else runner.iter
        self._draw(runner.val_dataloader.dataset, data_batch, outputs, step)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DataSample]
    ) -> None:
        self._draw(runner.test_dataloader.dataset, data_batch, outputs)

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        if self._drawn:
            count, where = len(runner.test_dataloader.dataset), self.out_dir or runner.log_dir
            runner.logger.info(f'Saved drawings of {self._drawn} of {count} images to {where}')

    def _draw(
        self, dataset: Any, data_batch: dict, samples: Sequence[DataSample], step: int | None = None
    ) -> None:
        rank, world_size = get_dist_info()
        if not self.enable or rank:
            return
        for image, sample in zip(data_batch['inputs'], samples, strict=True):
            # MMEngine's sampler distributes images in turn, so this is the index in the dataset.
            number = self._seen * world_size
            self._seen += 1
            if number % self.interval:
                continue
            path = sample.get('img_path')
            if path and self._root is None:
                self._root = common_folder(dataset)
            name = drawing_name(number, path, self._root or '')
            self._drawn += 1
            # Makes the text readable on faces of 64 pixels.
            enlarge = max(1, round(_SIDE / min(image.shape[1:])))
            draw_args = {'rescale_factor': enlarge, **self.draw_args}
            if self.out_dir is not None:
                end = '' if step is None else f'_{step}'
                draw_args['out_file'] = os.path.join(self.out_dir, f'{name}{end}.png')
            self._visualizer.visualize_cls(
                image=image.flip(0).permute(1, 2, 0).cpu().numpy().astype('uint8'),
                data_sample=sample,
                step=step or 0,
                name=name,
                **draw_args,
            )


def drawing_name(number: int, path: str | None, root: str = '') -> str:
    """Return the file name of a drawing, without folder; the number makes it unique.

    Args:
        number (int): Index of the sample in its dataset.
        path (str, optional): Path of its image; None if it has no path.
        root (str): Common folder of all images of the dataset. Defaults to '', none.
    """
    if not path:
        return f'{number:06d}'
    relative = os.path.relpath(path, root) if root else os.path.abspath(path)
    parts = [part for part in relative.split(os.sep) if part not in ('', os.pardir)]
    # The end of a path is more specific than its start.
    tail = os.fsencode('__'.join(parts))[-_LONGEST:].decode(errors='ignore')
    return f'{number:06d}_{tail}'


def common_folder(dataset: Any) -> str:
    """Return the deepest common folder of all images of a dataset; '' if it does not list them."""
    if not hasattr(dataset, 'get_data_info'):
        return ''
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    folders = {
        os.path.dirname(os.path.abspath(info['img_path'])) for info in infos if info.get('img_path')
    }
    return os.path.commonpath(folders) if folders else ''
