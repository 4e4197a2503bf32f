# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check at import that the OpenMMLab packages are installed in versions that work.

Packages are found by import name, not by distribution name: the maintained forks
(``onedl-mmengine``, ``onedl-mmcv``, ``onedl-mmpretrain``) install the same import names under other
distribution names. The packages are not imported, because that takes seconds, which is too slow for
a command that only prints its help.
"""

import importlib
import importlib.util
import re
import warnings
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

#: Older versions have known security holes in decoding images such as WebP (CVE-2023-4863).
OPENCV = 'opencv-python>=4.8.1.78'

#: Import name -> requirement for pip.
REQUIREMENTS = {
    'mmengine': 'mmengine>=0.10.4,<1',
    'mmcv': 'mmcv-lite>=2.0.0,<2.5',
    'mmpretrain': 'mmpretrain>=1.2.0,<2',
}


def install_command() -> str:
    """Return the pip command that installs suitable versions of all packages."""
    wanted = ' '.join(f'"{requirement}"' for requirement in REQUIREMENTS.values())
    return f'pip install {wanted}'


def check_version(name: str, version: str) -> None:
    """Raise ImportError if ``version`` of the package imported as ``name`` is unsuitable."""
    wanted = REQUIREMENTS[name]
    # A release candidate counts as its release.
    if Version(version).base_version not in Requirement(wanted).specifier:
        raise ImportError(
            f'mmfer needs {wanted}, found {name} {version}. Fix it with\n    {install_command()}'
        )


def check_opencv(version: str) -> None:
    """Raise ImportError if OpenCV, from any distribution, is too old to be safe."""
    # The fourth number of the package version counts builds; the module's version lacks it.
    if Version(version).release[:3] < (4, 8, 1):
        raise ImportError(
            f'mmfer needs {OPENCV}, found OpenCV {version}, in which a malicious image can run '
            f'code. Fix it with\n    pip install "{OPENCV}"'
        )


def find_version(name: str) -> str:
    """Return the version of a package by its import name, from ``version.py`` without importing.

    Raises:
        ImportError: The package is missing; or it has no such file and cannot be imported.
    """
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError(f'No module named {name!r}')
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, 'version.py')
        if path.is_file():
            found = re.search(r'^__version__ *= *[\'"]([^\'"]+)', path.read_text('utf-8'), re.M)
            if found:
                return found[1]
    return importlib.import_module(name).__version__


def check_packages() -> None:
    """Check that the OpenMMLab packages and OpenCV are installed in suitable versions.

    Raises:
        ImportError: A package is missing or has an unsuitable version, or OpenCV cannot be
            imported. The message has the command that fixes it.
    """
    # mmcv-lite has no compiled operators, which mmfer does not need; mmcv warns at each start.
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise ImportError(f'mmfer needs OpenCV:\n    pip install "{OPENCV}"') from error
    except ImportError as error:
        raise ImportError(
            f'OpenCV cannot be imported ({error}). On a machine without display libraries, install '
            'its headless build:\n    pip install --force-reinstall --no-deps '
            'opencv-python-headless'
        ) from error
    check_opencv(cv2.__version__)
    for name in REQUIREMENTS:
        try:
            version = find_version(name)
        except ImportError as error:
            raise ImportError(
                f'mmfer needs {name}, which cannot be imported ({error}). Fix it with\n'
                f'    {install_command()}'
            ) from error
        check_version(name, version)
