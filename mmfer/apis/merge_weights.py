# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Sequence

import torch
from mmengine.config import Config
from mmengine.runner import save_checkpoint
from torch import Tensor, nn

from mmfer.checkpoint.config_text import ConfigTextError, parse_config_text
from mmfer.checkpoint.plain import to_plain
from mmfer.utils import atomic_file  # noqa: F401  registers the backend
from mmfer.utils.reparameterize import merge_branches

#: Largest difference of the outputs, relative to the largest output, that counts as rounding. For a
#: network of twenty convolutions it is about 1e-6.
_TOLERANCE = 1e-3


class MergeError(RuntimeError):
    """A model has no branches to merge, or its outputs change when they are merged."""


@torch.no_grad()
def merge_weights(
    model: nn.Module, meta: dict, images: Tensor, target: str, log: Callable[[str], None]
) -> None:
    """Merge a model's branches, check that its outputs stay the same, and write its weights.

    Args:
        model (Module): In eval mode, with its trained weights; changed in place.
        meta (dict): Class names and other facts, written to the file. If it contains the config,
            ``deploy=True`` is set in it, so that the file can be loaded without options.
        images (Tensor): Normalized images ``(B, 3, H, W)`` to compare the outputs on.
        target (str): File to write: ``dict(state_dict=..., meta=...)``, tensors and plain values.
        log (Callable): Called with each line of the report.

    Raises:
        MergeError: There is nothing to merge, or the outputs differ. Nothing is written.
    """
    count = _parameters(model)
    before = _outputs(model, images)
    merged = merge_branches(model)
    if not merged:
        raise MergeError(
            'no part of the model has branches to merge: neither its '
            f'{type(model.backbone).__name__} nor any other module has switch_to_deploy(), or all '
            'are already merged'
        )
    after = _outputs(model, images)
    scale = before.abs().max().clamp(min=1e-12)
    difference = ((after - before).abs().max() / scale).item()
    if not difference <= _TOLERANCE:
        raise MergeError(
            f'merging changes the outputs by {difference:.2g} of the largest output, more than '
            f'rounding ({_TOLERANCE:g}); nothing was written'
        )
    if isinstance(meta.get('cfg'), str):
        meta = dict(meta, cfg=_with_deploy(meta['cfg'], merged))
    content = dict(meta=to_plain(meta), state_dict=model.state_dict())
    save_checkpoint(content, target, backend_args=dict(backend='atomic'))
    log(f'merged {", ".join(merged)}: {count:.3f} -> {_parameters(model):.3f} M parameters')
    log(f'outputs differ by {difference:.1e} of the largest output')
    log(f'wrote {target}')
    options = ' '.join(f'model.{name}.deploy=True' for name in merged)
    log(f'use it with the same config and --cfg-options {options}')


def _with_deploy(text: str, merged: Sequence[str]) -> str:
    """Return the text of a config with ``deploy=True`` for the merged parts of the model."""
    try:
        cfg = Config(parse_config_text(text))
    except ConfigTextError:  # no model can be built from it, before or after
        return text
    cfg.merge_from_dict({f'model.{name}.deploy': True for name in merged})
    return cfg.pretty_text


def _parameters(model: nn.Module) -> float:
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def _outputs(model: nn.Module, images: Tensor) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)  # a model that selects at random selects the same both times
        output = model(images)
    return output if isinstance(output, Tensor) else output[-1]
