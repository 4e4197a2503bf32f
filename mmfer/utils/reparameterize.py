# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Bring a net from the form it is trained in to the one for inference."""

from torch import nn


def merge_branches(model: nn.Module) -> list[str]:
    """Switch all parts of a model that can be to their inference form.

    Parallel branches become single convolutions (MobileOne, RepVGG), BatchNorm goes into the
    convolution before it (``IRNet``), the knowledge token becomes constants (``KTAdapter``). What
    the model computes in eval mode stays the same but for rounding. Parts say that they can by a
    method ``switch_to_deploy``, MMPretrain's convention; those that are switched already are left.

    Returns:
        The names of the parts, such as ``['backbone']``; the model is changed in place.
    """
    merged = []
    for name, part in list(model.named_modules()):
        inside = any(name.startswith(f'{outer}.') for outer in merged)
        if hasattr(part, 'switch_to_deploy') and not inside and not getattr(part, 'deploy', False):
            part.switch_to_deploy()
            merged.append(name)
    return merged
