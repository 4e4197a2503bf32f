# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check at import that the OpenMMLab packages are there and of a version that works.

They are looked at by import name, not by distribution: the maintained forks (``onedl-mmengine``,
``onedl-mmcv``, ``onedl-mmpretrain``) install the same import names under other distribution names.
And they are only looked at: importing them takes seconds, which a command that prints its help does
not have.
"""

import importlib
import importlib.util
import re
import warnings
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

#: Older ones decode WebP, JPEG and other images from anywhere with known holes (CVE-2023-4863).
OPENCV = 'opencv-python>=4.8.1.78'

#: Import name -> what to install.
REQUIREMENTS = {
    'mmengine': 'mmengine>=0.10.4,<1',
    'mmcv': 'mmcv-lite>=2.0.0,<2.5',
    'mmpretrain': 'mmpretrain>=1.2.0,<2',
}


def install_command() -> str:
    """The pip command that installs suitable versions of all."""
    wanted = ' '.join(f'"{requirement}"' for requirement in REQUIREMENTS.values())
    return f'pip install {wanted}'


def check_version(name: str, version: str) -> None:
    """Raise ImportError where ``version`` of the package imported as ``name`` is unsuitable."""
    wanted = REQUIREMENTS[name]
    # A release candidate counts as its release.
    if Version(version).base_version not in Requirement(wanted).specifier:
        raise ImportError(
            f'mmfer needs {wanted}, found {name} {version}. Mend it with\n    {install_command()}'
        )


def check_opencv(version: str) -> None:
    """Raise ImportError where OpenCV, under whatever distribution's name, is too old to be safe."""
    # The package's fourth number counts its builds and is not in the module's version.
    if Version(version).release[:3] < (4, 8, 1):
        raise ImportError(
            f'mmfer needs {OPENCV}, found OpenCV {version}, which runs code hidden in images. Mend '
            f'it with\n    pip install "{OPENCV}"'
        )


def find_version(name: str) -> str:
    """The version of a package by its import name, from its ``version.py``, without importing it.

    Raises:
        ImportError: It is missing, or cannot be imported where that is the only way to know.
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
    """Check that the OpenMMLab packages are there, and their versions.

    Raises:
        ImportError: One is missing or has an unsuitable version, or OpenCV cannot be imported. The
            message holds the command that mends it.
    """
    # mmcv-lite has no compiled operators, and mmfer needs none; mmcv warns at each start.
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise ImportError(f'mmfer needs OpenCV:\n    pip install "{OPENCV}"') from error
    except ImportError as error:
        raise ImportError(
            f'OpenCV cannot be imported ({error}). On a machine without display libraries, lay its '
            'headless build over it:\n    pip install --force-reinstall --no-deps '
            'opencv-python-headless'
        ) from error
    check_opencv(cv2.__version__)
    for name in REQUIREMENTS:
        try:
            version = find_version(name)
        except ImportError as error:
            raise ImportError(
                f'mmfer needs {name}, which cannot be imported ({error}). Mend it with\n'
                f'    {install_command()}'
            ) from error
        check_version(name, version)
