# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner

from mmfer.models.layers import ATPBlock, AttentivePatchPooling
from mmfer.registry import HOOKS


@HOOKS.register_module()
class PoolingDecayHook(Hook):
    """Pool more and more during training: k and r go linearly to their values (Table 4).

    In the first epoch nothing is pooled (``k`` is the number of patches, ``r`` is 1), in the last
    one ``k`` and ``r`` are those of the config. In training by iterations, which knows one epoch
    only, the same holds for its iterations. The values depend on the epoch or iteration alone, so a
    resumed run goes on where it was; validation uses the values that training has come to, testing
    those of the config.

    The paper found constant values better; this is its ablation. A compiled model is compiled anew
    whenever token counts change.
    """

    def before_train(self, runner: Runner) -> None:
        """Find the poolings and remember where they are to end."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        backbone = model.backbone
        self._num_patches = getattr(backbone, 'num_patches', None)
        self._app = [m for m in backbone.modules() if isinstance(m, AttentivePatchPooling)]
        self._atp = [m for m in backbone.modules() if isinstance(m, ATPBlock)]
        if not self._app and not self._atp:
            raise ValueError(
                'PoolingDecayHook has nothing to decay: model.backbone has neither app nor atp'
            )
        self._keep_nums = [app.keep_num for app in self._app]
        self._keep_rates = [block.keep_rate for block in self._atp]

    def before_train_epoch(self, runner: Runner) -> None:
        """Set this epoch's values."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            return
        self._pool(self.progress(runner.epoch, runner.max_epochs))
        print_log(
            f'PoolingDecayHook: k = {[app.keep_num for app in self._app]}, '
            f'r = {[round(block.keep_rate, 4) for block in self._atp]}',
            'current',
        )

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
        for app, end in zip(self._app, self._keep_nums, strict=True):
            app.keep_num = round(self._num_patches + (end - self._num_patches) * progress)
        for block, end in zip(self._atp, self._keep_rates, strict=True):
            # So written, r ends at the very number of the config: its last bit can be a token.
            block.keep_rate = 1 - progress + end * progress

    @staticmethod
    def progress(step: int, num_steps: int) -> float:
        """How far step number ``step`` (from 0) of ``num_steps`` is on the way: 0 to 1."""
        return 1.0 if num_steps <= 1 else min(step / (num_steps - 1), 1.0)
