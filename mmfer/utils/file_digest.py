# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib
from pathlib import Path

_CHUNK = 1 << 24  # bytes


def file_digest(path: str | Path) -> str:
    """Return the sha256 of a file in hexadecimal digits. The file is read in chunks."""
    # hashlib.file_digest needs Python 3.11.
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
