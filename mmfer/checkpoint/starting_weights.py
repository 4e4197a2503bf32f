# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Third-party weights that configs start from, listed in ``mmfer/weights/starting_weights.yml``.

``python -m mmfer weights`` lists and downloads them.
"""

import shlex
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mmengine.fileio import load

from mmfer.utils import safe_yaml  # noqa: F401
from mmfer.utils.file_digest import file_digest

INDEX = Path(__file__).resolve().parents[1] / 'weights' / 'starting_weights.yml'


@dataclass(frozen=True)
class StartingWeights:
    """An entry of the index. The comment at the top of the index explains the fields."""

    name: str
    file: str
    what: str
    source: str
    page: str
    licence: str
    terms: str
    url: str | None = None
    sha256: str | None = None
    converter: str | None = None

    def command(self, path: str | Path | None = None) -> str:
        """Return the command that gets the file; without a URL, it uses the downloaded file.

        Args:
            path (str | Path, optional): The file to write. Defaults to None: the path that configs
                use.
        """
        words = ['python', '-m', 'mmfer', 'weights', 'get', self.name]
        if self.url is None:
            words += ['--url', self.source]
        if path is not None and str(path) != self.file:
            words += ['--out', str(path)]
        return shlex.join(words)

    def how_to_get(self, path: str | Path | None = None) -> str:
        """Return :meth:`command` in a sentence, with the download that comes before it."""
        if self.url is not None:
            return self.command(path)
        return f'download {self.source} from {self.page}, then {self.command(path)}' + (
            f', which converts it (tools/model_converters/{self.converter})' * bool(self.converter)
        )

    def why_not_whole(self, path: str | Path) -> str:
        """Return what is wrong with the existing file ``path``; an empty string if nothing.

        A published file is checked by its sha256, a converted one by the checksums inside it.
        """
        if self.converter is None:
            found = file_digest(path) if self.sha256 else ''
            if found.startswith(self.sha256 or ''):
                return ''
            return f'its sha256 begins with {found[:8]}, but {self.source} has {self.sha256}'
        try:
            with zipfile.ZipFile(path) as file:
                damaged = file.testzip()
        except (OSError, zipfile.BadZipFile) as error:
            return f'it is truncated or was not written by a converter ({error})'
        return f'it is damaged ({damaged})' if damaged else ''


@lru_cache(maxsize=1)
def _read(path: Path) -> dict[str, StartingWeights]:
    return {name: StartingWeights(name, **entry) for name, entry in load(path).items()}


def read_starting_weights() -> dict[str, StartingWeights]:
    """Return the entries of the index by name, in its order."""
    return _read(INDEX)


def how_to_get(path: str | Path) -> str:
    """Return how to get a missing file that a config starts from."""
    for entry in read_starting_weights().values():
        if Path(path).name == Path(entry.file).name:
            return entry.how_to_get(path)
    return 'if another config trains it, train that config first'
