# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0


class UnmixedCopies:
    """Mixin for MMEngine's ``BaseDataset``: subsets are copied by themselves.

    MMEngine 0.10 remembers what it copied, by address, in one dictionary for the life of the
    process. That keeps every copy alive, and takes an object for another one that lay at the same
    address and is gone. Here every copy starts with nothing to remember.
    """

    def _copy_without_annotation(self, memo: dict | None = None):
        return super()._copy_without_annotation({} if memo is None else memo)
