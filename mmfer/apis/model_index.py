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
# In an installed package, and in a working copy that is not installed.
_PLACES = (_PACKAGE / '.mim', _PACKAGE.parent)
_FILE = 'model-index.yml'


@dataclass(frozen=True)
class IndexedModel:
    """An entry of the model index.

    Attributes:
        name (str): Name of the model.
        config (Path): Its config file.
        task (str): The task as named in the index; empty if no result is listed.
        dataset (str): The dataset it was tested on; empty if no result is listed.
        weights (str, optional): A file that comes with mmfer, or None if there is none.
        sha256 (str, optional): SHA256 of the weights, in hexadecimal digits.
    """

    name: str
    config: Path
    task: str = ''
    dataset: str = ''
    weights: str | None = None
    sha256: str | None = None

    @property
    def included(self) -> bool:
        """Whether the weights are part of this package."""
        return self.weights is not None and Path(self.weights).is_file()


def read_model_index() -> dict[str, IndexedModel]:
    """Return the entries of the model index and its metafiles by name, in their order.

    mmpretrain's ``ModelHub`` is not used: it is one table per process, with mmpretrain's own models
    under similar names, and its models are built in the scope of mmpretrain.

    Raises:
        FileNotFoundError: The package was installed without its index.
    """
    return _read(index_folder() / _FILE)


def index_folder() -> Path:
    """Return the folder that contains the index, ``configs`` and ``tools``.

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
    # All paths are relative to the index, as in openmim.
    models = {}
    for metafile in load(index)['Import']:
        for entry in load(index.parent / metafile)['Models']:
            result = (entry.get('Results') or [{}])[0]
            weights = entry.get('Weights')
            if weights is not None:
                # Relative to the package: in a wheel the index is in another folder.
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
    """Return the names of all models that mmfer has configs for, sorted.

    Args:
        pattern (str, optional): Start of the name, with the wildcards ``*`` and ``?``, e.g.
            ``'apvit'`` or ``'*rafdb*'``; as in mmpretrain. Defaults to all models.
        included (bool): Whether to list only models whose weights come with mmfer. Defaults to
            False.
    """
    models = read_model_index()
    names = sorted(name for name in models if models[name].included or not included)
    return names if pattern is None else fnmatch.filter(names, f'{pattern}*')


def find_model(name: str) -> IndexedModel:
    """Return a model by its name in the index, or by the name of any config of mmfer.

    Raises:
        ValueError: The name is unknown; the message lists similar names.
    """
    models = read_model_index()
    if name in models:
        return models[name]
    configs = config_files()
    if name in configs:
        return IndexedModel(name, configs[name])
    near = difflib.get_close_matches(name, [*models, *configs], n=3, cutoff=0.4)
    raise ValueError(
        f'there is no model {name!r}, neither as a file nor among the configs. Similar names: '
        f'{", ".join(dict.fromkeys(near)) or "none"}. `python -m mmfer models` lists all models'
    )


def config_files() -> dict[str, Path]:
    """Return all configs of mmfer except ``_base_`` files, by name, sorted by folder.

    Raises:
        FileNotFoundError: The package was installed without them.
    """
    folder = index_folder() / 'configs'
    return {path.stem: path for path in sorted(folder.rglob('*.py')) if _is_leaf(path, folder)}


def _is_leaf(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return '_base_' not in parts and not any(map(is_junk, parts))
