# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Batch size of a training step and its learning rate, as a line in the log."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StepBatch:
    """The number of images in an optimizer step.

    Args:
        processes (int): Processes of the job, each with its own batch.
        per_process (int): ``train_dataloader.batch_size``.
        accumulated (int): Batches whose gradients are accumulated in a step,
            ``optim_wrapper.accumulative_counts``. Defaults to 1.
        base (int, optional): Images per step for the learning rate of the config,
            ``auto_scale_lr.base_batch_size``. Defaults to None, unknown.
        scaled (bool): Whether the learning rate was multiplied by ``total / base``. Defaults to
            False.
    """

    processes: int
    per_process: int
    accumulated: int = 1
    base: int | None = None
    scaled: bool = False

    @property
    def total(self) -> int:
        """Images per step."""
        return self.processes * self.per_process * self.accumulated

    @property
    def ratio(self) -> float:
        """Factor of the learning rate, if it is scaled."""
        return self.total / self.base

    @property
    def is_doubtful(self) -> bool:
        """Whether the learning rate is for another number of images."""
        return self.base not in (None, self.total) and not self.scaled

    def describe(self, rates: Sequence[float]) -> str:
        """Describe batch size and learning rate in one line.

        Args:
            rates (Sequence[float]): Initial learning rates of all parameter groups, before any
                schedule, but after scaling if ``scaled``.
        """
        parts = f'{_number(self.processes, "process", "es")} x {_number(self.per_process, "image")}'
        if self.accumulated > 1:
            parts += f' x {_number(self.accumulated, "accumulated batch", "es")}'
        line = f'{parts} = {self.total} a step, learning rate {_rates(rates)}'
        if self.base is None:
            return f'{line}; its batch size is unknown (auto_scale_lr.base_batch_size is not set)'
        if self.scaled:
            before = _rates([rate / self.ratio for rate in rates])
            return (
                f'{line} = {before} x {self.total} / {self.base}, scaled because of '
                'auto_scale_lr.enable=True'
            )
        line = f'{line}, which is for {self.base} (auto_scale_lr.base_batch_size)'
        if not self.is_doubtful:
            return line
        scaled = _rates([rate * self.ratio for rate in rates])
        line += f'. --auto-scale-lr (auto_scale_lr.enable=True) would scale it to {scaled}'
        size, rest = divmod(self.base, self.processes * self.accumulated)
        if not rest:
            line += f'; train_dataloader.batch_size={size} would give {self.base} images a step'
        return line


def _number(count: int, noun: str, plural: str = 's') -> str:
    return f'{count} {noun}{plural if count != 1 else ""}'


def _rates(rates: Sequence[float]) -> str:
    low, high = f'{min(rates):.4g}', f'{max(rates):.4g}'
    return low if low == high else f'{low} to {high}'
