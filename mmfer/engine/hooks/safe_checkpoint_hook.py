# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
import os.path as osp

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook

from mmfer.registry import HOOKS
from mmfer.utils.atomic_file import remove_parts


class _RemoveLater:
    """A file backend that deletes nothing until :meth:`flush` is called."""

    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend
        self._waiting = {}

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._waiting[path] = self._identity(path)

    def flush(self) -> None:
        """Delete the collected files, except those that were replaced by a new file."""
        for path, identity in self._waiting.items():
            if self._backend.isfile(path) and self._identity(path) == identity:
                self._backend.remove(path)
        self._waiting = {}

    @staticmethod
    def _identity(path: str) -> tuple[int, int]:
        status = os.stat(path)
        return status.st_ino, status.st_mtime_ns


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """:class:`mmengine.hooks.CheckpointHook` that never loses the last checkpoint.

    * A checkpoint is written to a temporary file and renamed when it is complete
      (:func:`mmfer.utils.atomic_file.atomic_write`).
    * Older checkpoints (``max_keep_ckpts``, the previous best) are deleted after the new one is
      saved, not before. So a full disk costs the new checkpoint only.
    * Temporary files of a killed process are deleted when training starts.
    * If its folder was moved or copied, a resumed run uses the files in the new folder and does not
      touch those in the old one.

    The arguments are those of MMEngine's hook; ``backend_args`` defaults to the atomic backend.
    """

    def __init__(self, *args, backend_args: dict | None = None, **kwargs) -> None:
        super().__init__(*args, backend_args=backend_args or {'backend': 'atomic'}, **kwargs)

    def before_train(self, runner) -> None:
        if self.out_dir is None:
            self._follow_the_folder(runner)
        super().before_train(runner)
        if isinstance(self.file_backend, LocalBackend):
            if is_main_process() and (names := remove_parts(self.out_dir)):
                runner.logger.info(f'Deleted unfinished files of a stopped run: {names}')
            self.file_backend = _RemoveLater(self.file_backend)

    def after_train_epoch(self, runner) -> None:
        super().after_train_epoch(runner)
        self._remove_outdated()

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        super().after_train_iter(runner, *args, **kwargs)
        self._remove_outdated()

    def after_val_epoch(self, runner, metrics) -> None:
        super().after_val_epoch(runner, metrics)
        self._remove_outdated()

    def _remove_outdated(self) -> None:
        if isinstance(getattr(self, 'file_backend', None), _RemoveLater):
            self.file_backend.flush()

    @staticmethod
    def _follow_the_folder(runner) -> None:
        """Change the checkpoint paths in the resumed message hub to the current work folder."""
        for key, path in list(runner.message_hub.runtime_info.items()):
            if key.startswith(('best_ckpt', 'last_ckpt')) and isinstance(path, str):
                here = osp.join(runner.work_dir, osp.basename(path))
                runner.message_hub.update_info(key, here)
