# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from dataclasses import replace

from mmengine.logging import print_log
from mmengine.model import PretrainedInit as MMEnginePretrainedInit
from mmengine.model import update_init_info
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from mmfer.checkpoint.starting_weights import how_to_get
from mmfer.checkpoint.state_dicts import (
    StateDictReport,
    as_loaded,
    check_numbers,
    compare_state_dicts,
    take_prefix,
    unwrap,
)
from mmfer.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class PretrainedInit(MMEnginePretrainedInit):
    """``init_cfg=dict(type='Pretrained', ...)`` that does not go on when nothing was loaded.

    mmengine's initializer of the same name says nothing when no key of a file fits, and training
    starts from random weights.

    Args:
        checkpoint (str): The file.
        prefix (str, optional): Take only the keys that begin with it, and take it off.
        map_location (str): Where tensors go. Defaults to 'cpu'.
        exclude (str, optional): Leave out the keys that begin with it, once the prefix is off:
            ``prefix='backbone.', exclude='cnn.'`` takes a hybrid's transformer alone.
        allow_missing (Sequence[str], optional): The file has to fill the module, but for the
            weights whose names begin with one of these; ``()`` allows none to be missing. What the
            file holds besides is an error too. None (default) asks for one weight that fits.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: No weight of the file fits one of the module, or one is NaN or infinite, or
            what ``allow_missing`` asks for does not hold.
    """

    def __init__(
        self,
        checkpoint: str,
        prefix: str | None = None,
        map_location: str = 'cpu',
        exclude: str | None = None,
        allow_missing: Sequence[str] | None = None,
    ):
        super().__init__(checkpoint, prefix, map_location)
        if isinstance(allow_missing, str):
            raise TypeError(
                f'init_cfg.allow_missing is a list of prefixes, got {allow_missing!r}; write '
                f'[{allow_missing!r}]'
            )
        self.exclude = exclude
        self.allow_missing = allow_missing

    def __call__(self, module: nn.Module) -> None:
        try:
            checkpoint = CheckpointLoader.load_checkpoint(
                self.checkpoint, map_location=self.map_location, logger='current'
            )
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{type(module).__name__} is to start from {self.checkpoint}, which is not there: '
                f'{how_to_get(self.checkpoint)}. To start without it, set the init_cfg that names '
                'it to None, as in --cfg-options model.backbone.init_cfg=None'
            ) from error
        weights = unwrap(checkpoint)
        if self.prefix is not None:
            weights = take_prefix(weights, self.prefix.rstrip('.') + '.')
        if self.exclude is not None:
            weights = {k: v for k, v in weights.items() if not k.startswith(self.exclude)}
        weights = as_loaded(module, weights)
        report = compare_state_dicts(module.state_dict(), weights)
        if not report.matched:
            raise ValueError(
                f'{self.checkpoint} has no weights for {type(module).__name__}: {report}.\n'
                f'{report.details()}\nConvert the file with tools/model_converters, or name the '
                'part to take in init_cfg.prefix'
            )
        if self.allow_missing is not None:
            self._require_all(module, report)
        try:
            check_numbers(weights, report.matched)
        except ValueError as error:
            raise ValueError(f'{self.checkpoint}: {error}') from error
        print_log(
            f'{type(module).__name__}: {len(report.matched)} weights from {self.checkpoint}: '
            f'{report}',
            'current',
        )
        load_state_dict(module, weights, strict=False, logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())

    def _require_all(self, module: nn.Module, report: StateDictReport) -> None:
        allowed = tuple(self.allow_missing)
        report = replace(
            report, missing=[name for name in report.missing if not name.startswith(allowed)]
        )
        if report.details():
            raise ValueError(
                f'{self.checkpoint} does not hold the weights that {type(module).__name__} is to '
                f'start from:\n{report.details()}\nConvert the file with tools/model_converters. '
                'init_cfg.allow_missing lists what may be missing in it, init_cfg.exclude what of '
                'it is not used'
            )
