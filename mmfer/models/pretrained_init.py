# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from dataclasses import replace

from mmengine.logging import print_log
from mmengine.model import BaseModule, update_init_info
from mmengine.model import PretrainedInit as MMEnginePretrainedInit
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
    """``init_cfg=dict(type='Pretrained', ...)`` that raises an error if nothing was loaded.

    mmengine's initializer of the same name gives no error if no key of the file matches, and
    training starts from random weights.

    Args:
        checkpoint (str): Path of the checkpoint.
        prefix (str, optional): Load only keys that start with it, and strip it. Defaults to None.
        map_location (str): Device of the loaded tensors. Defaults to 'cpu'.
        exclude (str, optional): Ignore keys that start with it, after ``prefix`` is stripped:
            ``prefix='backbone.', exclude='cnn.'`` loads only the transformer of a hybrid. Defaults
            to None.
        allow_missing (Sequence[str], optional): The file must have all weights of the module,
            except those whose names start with one of these; ``()`` allows no exception. Unexpected
            keys in the file are then an error too. With None (default), one matching weight is
            enough.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: No weight of the file matches the module, a weight is NaN or infinite, or the
            file violates ``allow_missing``.
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
                f'init_cfg.allow_missing must be a list of prefixes, got {allow_missing!r}; write '
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
                f'{self.checkpoint}, the initial weights of {type(module).__name__}, does not '
                f'exist: {how_to_get(self.checkpoint)}. To train without it, set the init_cfg that '
                'names it to None, as in --cfg-options model.backbone.init_cfg=None'
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
                f'{report.details()}\nConvert the file with tools/model_converters, or set '
                'init_cfg.prefix to the part to load'
            )
        if self.allow_missing is not None:
            self._require_all(module, report)
        check_numbers(weights, report.matched, self.checkpoint)
        print_log(
            f'{type(module).__name__}: {len(report.matched)} weights from {self.checkpoint}: '
            f'{report}',
            'current',
        )
        load_state_dict(module, weights, strict=False, logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())
        # mmengine initializes the children afterwards, unless `type` is exactly 'Pretrained'.
        for child in module.modules():
            if isinstance(child, BaseModule) and child is not module:
                child.is_init = True

    def _require_all(self, module: nn.Module, report: StateDictReport) -> None:
        allowed = tuple(self.allow_missing)
        report = replace(
            report, missing=[name for name in report.missing if not name.startswith(allowed)]
        )
        if report.details():
            raise ValueError(
                f'{self.checkpoint} does not fit {type(module).__name__}:\n{report.details()}\n'
                'Convert the file with tools/model_converters. init_cfg.allow_missing lists the '
                'weights that the file may lack, init_cfg.exclude the keys to ignore'
            )
