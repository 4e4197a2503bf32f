# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The files of others that configs start from, by the index ``mmfer/weights/starting_weights.yml``.

``python -m mmfer weights`` lists them and gets them.
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
    """An entry of the index; its head says what the fields are."""

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
        """The command that gets the file; where it has no address, from what was downloaded.

        Args:
            path (str | Path, optional): Where it is to be. Default: where configs look for it.
        """
        words = ['python', '-m', 'mmfer', 'weights', 'get', self.name]
        if self.url is None:
            words += ['--url', self.source]
        if path is not None and str(path) != self.file:
            words += ['--out', str(path)]
        return shlex.join(words)

    def how_to_get(self, path: str | Path | None = None) -> str:
        """The same as :meth:`command`, and what to do before it, in words."""
        if self.url is not None:
            return self.command(path)
        return f'download {self.source} from {self.page}, then {self.command(path)}' + (
            f', which converts it (tools/model_converters/{self.converter})' * bool(self.converter)
        )

    def why_not_whole(self, path: str | Path) -> str:
        """What is wrong with the file at ``path``, which is there; empty where nothing is.

        A file as published is compared by its sha256, a converted one by the checksums inside it.
        """
        if self.converter is None:
            found = file_digest(path) if self.sha256 else ''
            if found.startswith(self.sha256 or ''):
                return ''
            return f'its sha256 begins with {found[:8]}, that of {self.source} with {self.sha256}'
        try:
            with zipfile.ZipFile(path) as file:
                damaged = file.testzip()
        except (OSError, zipfile.BadZipFile) as error:
            return f'it is truncated or no file of a converter ({error})'
        return f'it is damaged ({damaged})' if damaged else ''


@lru_cache(maxsize=1)
def _read(path: Path) -> dict[str, StartingWeights]:
    return {name: StartingWeights(name, **entry) for name, entry in load(path).items()}


def read_starting_weights() -> dict[str, StartingWeights]:
    """The entries of the index by name, in its order."""
    return _read(INDEX)


def how_to_get(path: str | Path) -> str:
    """What to do about a file that a config starts from and that is not there."""
    for entry in read_starting_weights().values():
        if Path(path).name == Path(entry.file).name:
            return entry.how_to_get(path)
    return 'if it is what another config trains, train that one first'
