# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain.datasets import KFoldDataset as _KFoldDataset

from mmfer.registry import DATASETS


@DATASETS.register_module()
class KFoldDataset(_KFoldDataset):
    """mmpretrain's ``KFoldDataset`` that reads the test fold in test mode.

    In mmpretrain's version the inner dataset stays in training mode, which replaces an unreadable
    image by another one, even in testing. The arguments are mmpretrain's.
    """

    def full_init(self) -> None:
        """Read the dataset and select the fold."""
        if self._fully_initialized:
            return
        super().full_init()
        if self.test_mode:
            for dataset in getattr(self.dataset, 'datasets', [self.dataset]):
                dataset.test_mode = True
