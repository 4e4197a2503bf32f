# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""YAML that runs nothing when it is read; to import this is to have it in all of MMEngine.

MMEngine reads YAML with PyYAML's full loader, which calls what a tag of the file names. A file of
metrics is a file of numbers, whoever sent it.
"""

from typing import Any

import yaml
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import YamlHandler

#: What MMEngine writes for tuples.
_TUPLE = 'tag:yaml.org,2002:python/tuple'


class _Loader(getattr(yaml, 'CSafeLoader', yaml.SafeLoader)):
    """PyYAML's safe loader, and tuples."""


_Loader.add_constructor(_TUPLE, lambda loader, node: tuple(loader.construct_sequence(node)))


@register_handler(['yaml', 'yml'])
class SafeYamlHandler(YamlHandler):
    """MMEngine's handler of YAML with a safe loader.

    Raises:
        ValueError: The file is no YAML, or a tag in it asks for an object of Python. Nothing of it
            was made.
    """

    def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
        try:
            return super().load_from_fileobj(file, Loader=_Loader)
        except (yaml.YAMLError, RecursionError) as error:
            raise ValueError(
                f'{getattr(file, "name", "it")} is no YAML of plain values, and nothing in it was '
                f'run: {error}'
            ) from error
