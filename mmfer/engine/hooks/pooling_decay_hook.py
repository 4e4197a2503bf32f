# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmfer.models.layers import ATPBlock, AttentivePatchPooling
from mmfer.registry import HOOKS


@HOOKS.register_module()
class PoolingDecayHook(Hook):
    """Pool more and more during training: k and r go linearly to their values (Table 4).

    In the first epoch nothing is pooled (``k`` is the number of patches, ``r`` is 1), in the last
    one ``k`` and ``r`` are those of the config. The values depend on the epoch alone, so a resumed
    run goes on where it was; validation uses the values of its epoch, testing those of the config.

    The paper found constant values better; this is its ablation. Token counts change every epoch,
    so a compiled model is compiled anew every epoch.
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
        progress = self.progress(runner.epoch, runner.max_epochs)
        for app, end in zip(self._app, self._keep_nums, strict=True):
            app.keep_num = round(self._num_patches + (end - self._num_patches) * progress)
        for block, end in zip(self._atp, self._keep_rates, strict=True):
            block.keep_rate = 1 + (end - 1) * progress
        print_log(
            f'PoolingDecayHook: k = {[app.keep_num for app in self._app]}, '
            f'r = {[round(block.keep_rate, 4) for block in self._atp]}',
            'current',
        )

    def after_train(self, runner: Runner) -> None:
        """Leave the model as the config describes it."""
        for app, end in zip(self._app, self._keep_nums, strict=True):
            app.keep_num = end
        for block, end in zip(self._atp, self._keep_rates, strict=True):
            block.keep_rate = end

    @staticmethod
    def progress(epoch: int, max_epochs: int) -> float:
        """How far epoch number ``epoch`` (from 0) of ``max_epochs`` is on the way: 0 to 1."""
        return 1.0 if max_epochs <= 1 else min(epoch / (max_epochs - 1), 1.0)
