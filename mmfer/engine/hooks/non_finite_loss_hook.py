# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
from collections.abc import Mapping

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from mmfer.checkpoint.state_dicts import check_numbers, named_tensors
from mmfer.evaluation.finite_predictions import check_predictions
from mmfer.registry import HOOKS


class NonFiniteLossError(FloatingPointError):
    """A loss became NaN or infinite during training."""


class NonFiniteWeightsError(FloatingPointError):
    """A weight, a buffer or an optimizer state became NaN or infinite during training."""


def _image_names(data_batch) -> list[str]:
    """Return the names of the images of a batch: their path, or else their index in the dataset."""
    samples = data_batch.get('data_samples', []) if isinstance(data_batch, Mapping) else []
    names = []
    for sample in samples:
        path, index = getattr(sample, 'img_path', None), getattr(sample, 'sample_idx', None)
        if path is not None or index is not None:
            names.append(str(path) if path is not None else f'sample {index}')
    return names


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stop at the first loss, weight or prediction that is NaN or infinite, and report it.

    MMEngine would continue and save weights that are all NaN. This hook checks the loss of every
    iteration. That costs nothing extra, since the runner reads the losses anyway. No loss follows
    the last step of an epoch, and running statistics do not affect the loss. So weights, buffers
    and optimizer state are also checked before they are saved, and the last checkpoint is always
    finite. Predictions in validation and test are checked because metrics would count NaN as the
    first class.

    Raises:
        NonFiniteLossError: Lists iteration, epoch, learning rate, loss terms and images.
        NonFiniteWeightsError: Names a weight.
        NonFinitePredictionError: Names an image.
    """

    # After RuntimeInfoHook (VERY_HIGH) has read the losses, before CheckpointHook (VERY_LOW).
    priority = 'ABOVE_NORMAL'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        # Ratios such as gradient norms may overflow harmlessly under mixed precision.
        terms = {
            name: float(value.detach() if torch.is_tensor(value) else value)
            for name, value in (outputs or {}).items()
            if 'loss' in name
        }
        if all(math.isfinite(value) for value in terms.values()):
            return
        rates = {name: values[0] for name, values in runner.optim_wrapper.get_lr().items()}
        names = _image_names(data_batch)
        raise NonFiniteLossError(
            f'the loss is not finite at iteration {runner.iter + 1} (epoch {runner.epoch + 1}, '
            f'batch {batch_idx + 1}, rank {get_rank()}).\n'
            f'  losses: {_listed(terms)}\n'
            f'  learning rates: {_listed(rates)}\n'
            f'  images of the batch: {", ".join(names) or "unnamed"}\n'
            'No checkpoint was saved after that. Check these images and labels; if they are fine, '
            'lower optim_wrapper.optimizer.lr, set optim_wrapper.clip_grad.max_norm, or train '
            'without --amp. Then resume from the last checkpoint with --resume.'
        )

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        try:
            check_numbers(checkpoint['state_dict'])
            check_numbers(dict(named_tensors(checkpoint.get('optimizer'), 'optimizer')))
        except ValueError as error:
            meta = checkpoint['meta']
            raise NonFiniteWeightsError(
                f'no checkpoint was saved at iteration {meta["iter"]} (epoch {meta["epoch"]}), '
                f'because {error}. Lower optim_wrapper.optimizer.lr, set optim_wrapper.clip_grad.'
                'max_norm, or train without --amp, and resume from the last one with --resume.'
            ) from error

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        check_predictions(outputs or ())

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        check_predictions(outputs or ())


def _listed(values: dict) -> str:
    return ', '.join(f'{name}={value:.6g}' for name, value in values.items())
