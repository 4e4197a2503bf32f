# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Mapping

from mmengine.runner import save_checkpoint
from torch import Tensor

from mmfer.checkpoint.state_dicts import check_numbers, compare_state_dicts
from mmfer.utils import atomic_file  # noqa: F401  registers the backend
from mmfer.version import __version__

from .weight_names import reshape_like


def convert_weights(
    source: str,
    target: str,
    converted: Mapping[str, Tensor],
    model_state: Mapping[str, Tensor],
    meta: dict,
    log: Callable[[str], None],
) -> None:
    """Check that converted weights fit their model, and write them.

    Args:
        source (str): The original file, for messages.
        target (str): File to write: ``dict(state_dict=..., meta=...)``, tensors and plain values.
        converted (Mapping): The weights under mmfer's names.
        model_state (Mapping): The state dict of the model; only names and shapes are read.
        meta (dict): Further entries of ``meta``, such as ``dataset_meta``.
        log (Callable): Called with each line of the report.

    Raises:
        ValueError: Keys are missing, unexpected, of another shape, or not finite. Nothing is
            written.
    """
    state_dict, reshaped = reshape_like(converted, model_state)
    report = compare_state_dicts(model_state, state_dict)
    log(str(report))
    for note in reshaped:
        log(f'reshaped {note}')
    if report.missing or report.unexpected or report.reshaped:
        raise ValueError(
            f'{source} does not contain the weights of this model; nothing was written\n'
            f'{report.details(10)}'
        )
    try:
        check_numbers(state_dict)
    except ValueError as error:
        raise ValueError(f'{source}: {error}; nothing was written') from error
    content = dict(meta=dict(meta, mmfer_version=__version__), state_dict=state_dict)
    save_checkpoint(content, target, backend_args=dict(backend='atomic'))
    log(f'wrote {target}')
