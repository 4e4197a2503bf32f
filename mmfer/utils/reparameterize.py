# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert a model from its training form to its inference form."""

from torch import nn


def merge_branches(model: nn.Module) -> list[str]:
    """Switch all modules that support it to their inference form; the model changes in place.

    Parallel branches become single convolutions (MobileOne, RepVGG), BatchNorm is merged into the
    convolution before it (``IRNet``), the knowledge token becomes constants (``KTAdapter``). Up to
    rounding, the outputs in eval mode stay the same. Modules support it by a method
    ``switch_to_deploy``, as in MMPretrain; modules that are already switched are skipped.

    Returns:
        The names of the switched modules, such as ``['backbone']``.
    """
    merged = []
    for name, part in list(model.named_modules()):
        inside = any(name.startswith(f'{outer}.') for outer in merged)
        if hasattr(part, 'switch_to_deploy') and not inside and not getattr(part, 'deploy', False):
            part.switch_to_deploy()
            merged.append(name)
    return merged
