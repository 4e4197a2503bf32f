# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest

from mmfer.utils.file_digest import file_digest


@pytest.mark.parametrize('size', [0, 7, (1 << 24) + 3])
def test_digest_of_small_and_large_files(tmp_path, size):
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / 'file').write_bytes(content[:size])
    assert file_digest(tmp_path / 'file') == hashlib.sha256(content[:size]).hexdigest()
