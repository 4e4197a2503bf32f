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
    """Frozen encoders of other tasks, from which a KT-Adapter learns.

    Deliberately not an ``nn.Module``: the encoders are needed for training, but are not part of the
    model. So they do not appear in its ``state_dict()`` and ``parameters()``, the optimizer and
    ``DistributedDataParallel`` ignore them, and ``train()`` cannot change their BatchNorm.

    Building them does not change the state of the random generators. The model therefore draws the
    same numbers with any priors, or with none.

    Args:
        configs (Mapping[str, Mapping]): By task, ``dict(backbone=..., checkpoint=...)``: any
            registered backbone, and the file with its weights (see :meth:`load`). Without a
            checkpoint, the ``init_cfg`` of the backbone is used.
        device (torch.device | str): Initial device. Calls move the encoders to the device of the
            inputs. Defaults to 'cpu'.
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
        """Compute the prior tokens of a batch.

        Args:
            inputs (Tensor): Input images of the canonical encoder, ``(B, 3, H, W)``, normalized.
            data_samples (Sequence, optional): Ignored. :class:`PriorTokenCache`, which has the same
                signature, needs them.

        Returns:
            dict: By task, ``(B, C_task)``. In float32 even under mixed precision, so that cached
            and computed tokens are the same.
        """
        if inputs.device != self.device:
            self.device = inputs.device
            self.encoders.to(self.device)
        # A single image uses other kernels (matrix times vector), whose results differ in the last
        # bits. In a batch of two it gets the same tokens as in any batch and in a cache (on CPUs).
        count = len(inputs)
        if count == 1:
            inputs = inputs.expand(2, -1, -1, -1)
        return {
            task: pool_feature(encoder(inputs))[:count].float()
            for task, encoder in self.encoders.items()
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Return all weights, named ``TASK.NAME``."""
        return self.encoders.state_dict()

    def fingerprints(self) -> dict[str, str]:
        """Return the SHA-256 of the weights of each encoder: names, dtypes, shapes and values."""
        return {task: _fingerprint(encoder) for task, encoder in self.encoders.items()}

    def load_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Load weights from :meth:`state_dict`; tasks that it lacks keep their weights."""
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
                f'weights are random. Set model.priors.{task}.checkpoint to the checkpoint of the '
                'baseline',
                'current',
                logging.WARNING,
            )
        encoder.requires_grad_(False).to(self.device)
        encoder.eval()  # not chained: train() of some backbones returns None
        for value in encoder.state_dict().values():  # random weights must be equal in all processes
            broadcast(value)
        return encoder

    @staticmethod
    def load(encoder: nn.Module, task: str, path: str) -> None:
        """Load all weights of an encoder from a file.

        Args:
            encoder (nn.Module): The backbone to load into.
            task (str): Task of the encoder, for messages.
            path (str): Checkpoint of a model with this ``backbone``, such as the baseline of the
                task, or weights of the backbone alone.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: A weight of the encoder is missing, has another shape, or is not finite.
        """
        key = f'model.priors.{task}.checkpoint'
        try:
            weights, _ = load_weights(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{path}, the checkpoint of the prior encoder of {task!r}, does not exist. '
                f'Train the baseline of that task first and set {key} to its checkpoint, or omit '
                'the task with model.num_priors'
            ) from error
        weights = take_prefix(weights, 'backbone.') or weights
        report = compare_state_dicts(encoder.state_dict(), weights)
        if report.missing or report.reshaped:
            raise ValueError(
                f'{path} does not contain the weights of the prior encoder of {task!r}, a '
                f'{type(encoder).__name__}: {report}.\n{report.details()}\nThe architecture '
                f'in model.priors.{task}.backbone must be the one that {key} was trained with'
            )
        check_numbers(weights, report.matched, f'{key}: {path}')
        print_log(f'Prior encoder of {task!r}: {report}, from {path}', 'current')
        encoder.load_state_dict(weights, strict=False)
