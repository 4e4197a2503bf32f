# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import mmengine.registry
import pytest
from mmengine.registry import Registry

import mmfer.registry  # noqa: F401 adds its nodes to the trees

ROOTS = {
    name: root
    for name, root in vars(mmengine.registry).items()
    if isinstance(root, Registry) and 'mmpretrain' in root.children
}


@pytest.mark.parametrize('name', ROOTS)
def test_scope_is_found_in_every_tree_that_mmpretrain_is_in(name):
    """Otherwise MMEngine warns, as it did for the model wrapper of distributed training."""
    with ROOTS[name].switch_scope_and_registry('mmfer') as node:
        assert node.scope == 'mmfer'
