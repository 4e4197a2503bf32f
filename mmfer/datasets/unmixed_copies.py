# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0


class UnmixedCopies:
    """Mixin for MMEngine's ``BaseDataset`` that copies each subset independently.

    MMEngine 0.10 stores copied objects by address in one dictionary for the life of the process.
    This keeps every copy alive, and a new object at a reused address is mistaken for the deleted
    one. Here every copy starts with an empty dictionary.
    """

    def _copy_without_annotation(self, memo: dict | None = None):
        return super()._copy_without_annotation({} if memo is None else memo)
