# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The models that mmfer has configs for, by their names in the metafiles of ``configs/``."""

import difflib
import fnmatch
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mmengine.fileio import load

from mmfer.utils import safe_yaml  # noqa: F401
from mmfer.utils.files_below import is_junk

_PACKAGE = Path(__file__).resolve().parents[1]
# In an installed package, and in a working copy that was never installed.
_PLACES = (_PACKAGE / '.mim', _PACKAGE.parent)
_FILE = 'model-index.yml'


@dataclass(frozen=True)
class IndexedModel:
    """An entry of the model index.

    Attributes:
        name (str): What it is called.
        config (Path): Its config file.
        task (str): What it is for, in the index' words; empty where no result is listed.
        dataset (str): What it was tested on; empty where no result is listed.
        weights (str, optional): A file that comes with mmfer, an address, or None: none are
            published.
        sha256 (str, optional): Of the weights, in hexadecimal digits.
    """

    name: str
    config: Path
    task: str = ''
    dataset: str = ''
    weights: str | None = None
    sha256: str | None = None

    @property
    def included(self) -> bool:
        """Whether its weights came with this package."""
        return self.weights is not None and Path(self.weights).is_file()


def read_model_index() -> dict[str, IndexedModel]:
    """Entries of the model index and of the metafiles that it imports by name, in its order.

    Not mmpretrain's ``ModelHub``: that one table of a process holds mmpretrain's own models under
    the same kind of names, and what is got from it is built in mmpretrain's scope.

    Raises:
        FileNotFoundError: The package was installed without its index.
    """
    return _read(index_folder() / _FILE)


def index_folder() -> Path:
    """The folder of the index, ``configs`` and ``tools``.

    Raises:
        FileNotFoundError: The package was installed without them.
    """
    for folder in _PLACES:
        if (folder / _FILE).is_file():
            return folder
    raise FileNotFoundError(
        f'there is no {_FILE} in {" or ".join(map(str, _PLACES))}: mmfer was copied without its '
        'configs. Install it with pip, or pass the path of a config file'
    )


@lru_cache(maxsize=1)
def _read(index: Path) -> dict[str, IndexedModel]:
    # All paths are relative to the index, as openmim has it.
    models = {}
    for metafile in load(index)['Import']:
        for entry in load(index.parent / metafile)['Models']:
            result = (entry.get('Results') or [{}])[0]
            weights = entry.get('Weights')
            if weights is not None and '://' not in weights:
                # Below the package, not beside the index, which a wheel has elsewhere.
                weights = str(_PACKAGE.parent / weights)
            models[entry['Name']] = IndexedModel(
                name=entry['Name'],
                config=index.parent / entry['Config'],
                task=result.get('Task', ''),
                dataset=result.get('Dataset', ''),
                weights=weights,
                sha256=entry.get('SHA256'),
            )
    return models


def list_models(pattern: str | None = None, included: bool = False) -> list[str]:
    """Names of the models that mmfer has configs for, sorted.

    Args:
        pattern (str, optional): Wildcards, ``'*rafdb*'``; what follows a match is free, as in
            mmpretrain, so ``'apvit'`` finds all that begin so. Defaults to all.
        included (bool): Whether only those are listed whose weights come with mmfer. Defaults to
            False.
    """
    models = read_model_index()
    names = sorted(name for name in models if models[name].included or not included)
    return names if pattern is None else fnmatch.filter(names, f'{pattern}*')


def find_model(name: str) -> IndexedModel:
    """Look up a model by its name in the index, or by the name of any config of mmfer.

    Raises:
        ValueError: There is none of this name; says which are near.
    """
    models = read_model_index()
    if name in models:
        return models[name]
    configs = config_files()
    if name in configs:
        return IndexedModel(name, configs[name])
    near = difflib.get_close_matches(name, [*models, *configs], n=3, cutoff=0.4)
    raise ValueError(
        f'there is no model {name!r}, neither as a file nor among the configs. Near are: '
        f'{", ".join(dict.fromkeys(near)) or "none"}. `python -m mmfer models` lists what there is'
    )


def config_files() -> dict[str, Path]:
    """All configs of mmfer that are no parts of others, by name, sorted by folder.

    Raises:
        FileNotFoundError: The package was installed without them.
    """
    folder = index_folder() / 'configs'
    return {path.stem: path for path in sorted(folder.rglob('*.py')) if _is_leaf(path, folder)}


def _is_leaf(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return '_base_' not in parts and not any(map(is_junk, parts))
