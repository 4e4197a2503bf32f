# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner

from mmfer.models.pooling_settings import PoolingSettings, keep_all, read_pooling, set_pooling
from mmfer.registry import HOOKS


@HOOKS.register_module()
class PoolingDecayHook(Hook):
    """Pool more and more during training: k and r go linearly to their values (Table 4).

    In the first epoch nothing is pooled (``k`` is the number of patches, ``r`` is 1), in the last
    one ``k`` and ``r`` are those of the config, ``r`` of every block on its own. In training by
    iterations, which knows one epoch only, the same holds for its iterations. The values depend on
    the epoch or iteration alone, so a resumed run goes on where it was; validation uses the values
    that training has come to, testing those of the config.

    The paper found constant values better; this is its ablation. A compiled model is compiled anew
    whenever token counts change.
    """

    def before_train(self, runner: Runner) -> None:
        """Remember where the poolings are to end."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._backbone = model.backbone
        self._end = read_pooling(self._backbone)
        if self._end == PoolingSettings():
            raise ValueError(
                'PoolingDecayHook has nothing to decay: model.backbone has neither app nor atp, or '
                'a soft app, which drops nothing'
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
        """Set this iteration's values, where training goes by iterations."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            self._pool(self.progress(runner.iter, runner.max_iters))

    def after_train(self, runner: Runner) -> None:
        """Leave the model as the config describes it."""
        self._pool(1.0)

    def _pool(self, progress: float) -> None:
        k, r = self._end.keep_num, self._end.keep_rate
        if k is not None:
            start = keep_all(self._backbone).keep_num
            k = round(start + (k - start) * progress)
        if r is not None:
            # So written, r ends at the very number of the config: its last bit can be a token.
            if isinstance(r, tuple):
                r = tuple(1 - progress + rate * progress for rate in r)
            else:
                r = 1 - progress + r * progress
        set_pooling(self._backbone, PoolingSettings(k, r))

    @staticmethod
    def progress(step: int, num_steps: int) -> float:
        """How far step number ``step`` (from 0) of ``num_steps`` is on the way: 0 to 1."""
        return 1.0 if num_steps <= 1 else min(step / (num_steps - 1), 1.0)
