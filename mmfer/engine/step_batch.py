# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The images of a step, and the learning rate that they are trained with, in a line of the log."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StepBatch:
    """How many images change the weights together.

    Args:
        processes (int): Processes of the job, each with a batch of its own.
        per_process (int): ``train_dataloader.batch_size``.
        accumulated (int): Batches whose gradients a process gathers before a step,
            ``optim_wrapper.accumulative_counts``. Defaults to 1.
        base (int, optional): Images a step that the learning rate of the config was chosen for,
            ``auto_scale_lr.base_batch_size``. None (default) if the config does not say.
        scaled (bool): The learning rate was multiplied by ``total / base``. Defaults to False.
    """

    processes: int
    per_process: int
    accumulated: int = 1
    base: int | None = None
    scaled: bool = False

    @property
    def total(self) -> int:
        """Images a step."""
        return self.processes * self.per_process * self.accumulated

    @property
    def ratio(self) -> float:
        """What the learning rate is multiplied by, if it is scaled."""
        return self.total / self.base

    @property
    def is_doubtful(self) -> bool:
        """Whether the learning rate is that for another number of images."""
        return self.base not in (None, self.total) and not self.scaled

    def describe(self, rates: Sequence[float]) -> str:
        """One line on batch and learning rate.

        Args:
            rates (Sequence[float]): Learning rates of all parameter groups before a schedule lowers
                them, scaled already if ``scaled``.
        """
        parts = f'{_number(self.processes, "process", "es")} x {_number(self.per_process, "image")}'
        if self.accumulated > 1:
            parts += f' x {_number(self.accumulated, "accumulated batch", "es")}'
        line = f'{parts} = {self.total} a step, learning rate {_rates(rates)}'
        if self.base is None:
            return f'{line}; auto_scale_lr.base_batch_size does not say for which batch'
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
        line += f'. --auto-scale-lr (auto_scale_lr.enable=True) would make {scaled} of it'
        size, rest = divmod(self.base, self.processes * self.accumulated)
        if not rest:
            line += f', and train_dataloader.batch_size={size} makes {self.base} images a step'
        return line


def _number(count: int, noun: str, plural: str = 's') -> str:
    return f'{count} {noun}{plural if count != 1 else ""}'


def _rates(rates: Sequence[float]) -> str:
    low, high = f'{min(rates):.4g}', f'{max(rates):.4g}'
    return low if low == high else f'{low} to {high}'
