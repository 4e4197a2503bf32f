# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner

from mmfer.models.pooling_settings import PoolingSettings, keep_all, read_pooling, set_pooling
from mmfer.registry import HOOKS


@HOOKS.register_module()
class PoolingDecayHook(Hook):
    """Decrease k and r linearly during training (Table 4).

    In the first epoch everything is kept (``k`` is the number of patches, ``r`` is 1). In the last
    epoch ``k`` and ``r`` have the values of the config, with a separate ``r`` for every block.
    Training by iterations, which has a single epoch, changes them with every iteration. The values
    depend only on the epoch or iteration, so training can be resumed. Validation uses the current
    values, testing those of the config.

    This is an ablation of the paper, in which constant values were better. A compiled model is
    recompiled whenever token counts change.

    Raises:
        ValueError: The backbone has no pooling that drops tokens.
    """

    def before_train(self, runner: Runner) -> None:
        """Read the final values of the poolings."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._backbone = model.backbone
        self._end = read_pooling(self._backbone)
        if self._end == PoolingSettings():
            raise ValueError(
                'PoolingDecayHook has nothing to decay: model.backbone needs a hard app '
                "(mode='hard') or atp"
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Set this epoch's values."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            return
        self._pool(self.progress(runner.epoch, runner.max_epochs))
        print_log(f'PoolingDecayHook: {read_pooling(self._backbone)}', 'current')

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set this iteration's values, in training by iterations."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            self._pool(self.progress(runner.iter, runner.max_iters))

    def after_train(self, runner: Runner) -> None:
        """Restore the values of the config."""
        self._pool(1.0)

    def _pool(self, progress: float) -> None:
        k, r = self._end.keep_num, self._end.keep_rate
        if k is not None:
            start = keep_all(self._backbone).keep_num
            k = round(start + (k - start) * progress)
        if r is not None:
            # Written so that r ends exactly at the value of the config: the last bit can decide
            # whether a token is kept.
            if isinstance(r, tuple):
                r = tuple(1 - progress + rate * progress for rate in r)
            else:
                r = 1 - progress + r * progress
        set_pooling(self._backbone, PoolingSettings(k, r))

    @staticmethod
    def progress(step: int, num_steps: int) -> float:
        """Return the progress of step ``step`` (from 0) of ``num_steps``, from 0 to 1."""
        return 1.0 if num_steps <= 1 else min(step / (num_steps - 1), 1.0)
