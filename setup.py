# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Build script: an ordinary setuptools package that also carries what ``mim`` looks for.

``mim`` finds a package's tools, configs and indexes in the folder ``.mim`` inside the package. In a
wheel or sdist they are copied there; for an editable install they are symbolic links.
"""

import os
import shutil
import sys
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
MIM_CONTENT = ('tools', 'configs', 'model-index.yml', 'dataset-index.yml')


def read_version() -> str:
    scope = {}
    exec((ROOT / 'mmfer' / 'version.py').read_text(), scope)
    return scope['__version__']


def read_requirements(name: str) -> list:
    lines = (ROOT / 'requirements' / name).read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def add_mim_content() -> None:
    """Put tools, configs and indexes under ``mmfer/.mim`` (see the module docstring)."""
    editable = {'develop', 'editable_wheel', 'dist_info'} & set(sys.argv)
    if not editable and not {'sdist', 'bdist_wheel', 'build', 'build_py'} & set(sys.argv):
        return
    mim = ROOT / 'mmfer' / '.mim'
    mim.mkdir(parents=True, exist_ok=True)
    for name in MIM_CONTENT:
        source, target = ROOT / name, mim / name
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.is_dir():
            shutil.rmtree(target)
        if not source.exists():
            continue
        if editable:
            target.symlink_to(os.path.relpath(source, mim))
        elif source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
        else:
            shutil.copyfile(source, target)


if __name__ == '__main__':
    add_mim_content()
    setup(
        name='mmfer',
        version=read_version(),
        description='Facial expression recognition and facial analysis for OpenMMLab',
        long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
        long_description_content_type='text/markdown',
        author='The mmfer contributors',
        license='Apache-2.0',
        keywords='facial expression recognition, face analysis, vision transformer, OpenMMLab',
        python_requires='>=3.10',
        packages=find_packages(include=('mmfer', 'mmfer.*')),
        include_package_data=True,
        classifiers=[
            'Development Status :: 4 - Beta',
            'Intended Audience :: Science/Research',
            'Operating System :: OS Independent',
            'Programming Language :: Python :: 3',
            'Topic :: Scientific/Engineering :: Artificial Intelligence',
        ],
        # mmengine, mmcv and mmpretrain are left out on purpose: their maintained forks have other
        # distribution names but the same import names. mmfer/__init__.py checks what is imported.
        install_requires=read_requirements('runtime.txt'),
        extras_require={
            name: read_requirements(f'{name}.txt') for name in ('mminstall', 'optional', 'tests')
        },
        zip_safe=False,
    )
