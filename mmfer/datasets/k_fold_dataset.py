# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain.datasets import KFoldDataset as _KFoldDataset

from mmfer.registry import DATASETS


@DATASETS.register_module()
class KFoldDataset(_KFoldDataset):
    """mmpretrain's ``KFoldDataset``, whose tested fold is read as a test set is.

    There, the dataset within stays one for training, which draws another sample for an image that
    cannot be read. The arguments are mmpretrain's.
    """

    def full_init(self) -> None:
        """Read the dataset and choose the fold."""
        if self._fully_initialized:
            return
        super().full_init()
        if self.test_mode:
            for dataset in getattr(self.dataset, 'datasets', [self.dataset]):
                dataset.test_mode = True
