# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
import hashlib
import logging
from collections.abc import Mapping, Sequence

import torch
from mmengine.dist import broadcast
from mmengine.logging import print_log
from torch import Tensor, nn

from mmfer.checkpoint.safe_load import load_weights
from mmfer.checkpoint.state_dicts import check_numbers, compare_state_dicts, take_prefix
from mmfer.registry import MODELS
from mmfer.utils.random_state import get_random_state, set_random_state

from ..layers.feature_tokens import pool_feature


def _fingerprint(encoder: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in encoder.state_dict().items():
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


class PriorEncoders:
    """The frozen encoders of other tasks that a KT-Adapter learns from.

    Not an ``nn.Module``, on purpose: they are a tool of training and no part of the model that
    holds them. So they are in no ``state_dict()`` and no ``parameters()``, the optimizer and
    ``DistributedDataParallel`` do not know of them, and ``train()`` cannot wake their BatchNorm.

    Building them leaves the random generators as they were: the model that learns from them draws
    the same numbers with any priors, or none.

    Args:
        configs (Mapping[str, Mapping]): By task, ``dict(backbone=..., checkpoint=...)``: any
            registered backbone, and the file its weights come from (see :meth:`load`). Without a
            checkpoint the backbone's own ``init_cfg`` counts.
        device (torch.device | str): Where they work. Defaults to the CPU; they follow their inputs
            anyway.
    """

    def __init__(self, configs: Mapping[str, Mapping], device: torch.device | str = 'cpu'):
        self.device = torch.device(device)
        state = get_random_state()
        try:
            self.encoders = nn.ModuleDict(
                {task: self._build(task, config) for task, config in configs.items()}
            )
        finally:
            set_random_state(state)

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.encoders)

    @torch.no_grad()
    def __call__(self, inputs: Tensor, data_samples: Sequence | None = None) -> dict[str, Tensor]:
        """The prior tokens of a batch.

        Args:
            inputs (Tensor): The images that the canonical encoder sees, ``(B, 3, H, W)``,
                normalized.
            data_samples (Sequence, optional): Not looked at; a cache, which has the same signature,
                needs them.

        Returns:
            dict: By task, ``(B, C_task)`` in float32 also under mixed precision, so that stored
            tokens are no different from fresh ones.
        """
        if inputs.device != self.device:
            self.device = inputs.device
            self.encoders.to(self.device)
        # One image alone goes through other kernels (matrix times vector), with other last bits.
        # As one of two, it has the tokens that it has in any batch, and so in a cache (on CPUs).
        count = len(inputs)
        if count == 1:
            inputs = inputs.expand(2, -1, -1, -1)
        return {
            task: pool_feature(encoder(inputs))[:count].float()
            for task, encoder in self.encoders.items()
        }

    def state_dict(self) -> dict[str, Tensor]:
        """All weights, as ``TASK.NAME``."""
        return self.encoders.state_dict()

    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of each encoder's weights, by task: names, types, shapes and values."""
        return {task: _fingerprint(encoder) for task, encoder in self.encoders.items()}

    def load_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights that :meth:`state_dict` gave; tasks that are not in it stay."""
        for task, encoder in self.encoders.items():
            if own := take_prefix(weights, f'{task}.'):
                encoder.load_state_dict(own)

    def _build(self, task: str, config: Mapping) -> nn.Module:
        encoder = MODELS.build(copy.deepcopy(config['backbone']))
        checkpoint = config.get('checkpoint')
        if checkpoint is not None:
            self.load(encoder, task, checkpoint)
        elif hasattr(encoder, 'init_weights'):
            encoder.init_weights()
        if checkpoint is None and not config['backbone'].get('init_cfg'):
            print_log(
                f'The prior encoder of {task!r} has neither a checkpoint nor an init_cfg, so its '
                f'weights are random. Set model.priors.{task}.checkpoint to that of the baseline',
                'current',
                logging.WARNING,
            )
        encoder.requires_grad_(False).to(self.device)
        encoder.eval()  # by itself: train() of some backbones returns nothing
        for value in encoder.state_dict().values():  # random ones too are the same in all processes
            broadcast(value)
        return encoder

    @staticmethod
    def load(encoder: nn.Module, task: str, path: str) -> None:
        """Fill an encoder from a file, completely.

        Args:
            encoder (nn.Module): The backbone to fill.
            task (str): Its task, for messages.
            path (str): Checkpoint of a model whose ``backbone`` this is, such as that of the task's
                baseline, or the weights of the bare backbone.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: A weight of the encoder is missing, has another shape, or is not finite.
        """
        key = f'model.priors.{task}.checkpoint'
        try:
            weights, _ = load_weights(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'there is no {path}, which the prior encoder of {task!r} is to be loaded from. '
                f'Train the baseline of that task first and set {key} to its checkpoint, or leave '
                'the task out with model.num_priors'
            ) from error
        weights = take_prefix(weights, 'backbone.') or weights
        report = compare_state_dicts(encoder.state_dict(), weights)
        if report.missing or report.reshaped:
            raise ValueError(
                f'{path} does not hold the prior encoder of {task!r}, a '
                f'{type(encoder).__name__}: {report}.\n{report.details()}\nThe architecture '
                f'in model.priors.{task}.backbone has to be the one that {key} was trained with'
            )
        try:
            check_numbers(weights, report.matched)
        except ValueError as error:
            raise ValueError(f'{key}: {path}: {error}') from error
        print_log(f'Prior encoder of {task!r}: {report}, from {path}', 'current')
        encoder.load_state_dict(weights, strict=False)
