# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Safe loading of YAML; importing this module enables it in all of MMEngine.

MMEngine reads YAML with PyYAML's full loader, which can call Python code that a tag in the file
names. A file of metrics only needs plain values.
"""

from typing import Any

import yaml
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import YamlHandler

#: Tag that MMEngine writes for tuples.
_TUPLE = 'tag:yaml.org,2002:python/tuple'


class _Loader(getattr(yaml, 'CSafeLoader', yaml.SafeLoader)):
    """PyYAML's safe loader with support for tuples."""


_Loader.add_constructor(_TUPLE, lambda loader, node: tuple(loader.construct_sequence(node)))


@register_handler(['yaml', 'yml'])
class SafeYamlHandler(YamlHandler):
    """MMEngine's YAML handler with a safe loader.

    Raises:
        ValueError: The file is not YAML, or has a tag for a Python object, which is not created.
    """

    def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
        try:
            return super().load_from_fileobj(file, Loader=_Loader)
        except (yaml.YAMLError, RecursionError) as error:
            raise ValueError(
                f'{getattr(file, "name", "it")} is not YAML with plain values, and nothing in it '
                f'was run: {error}'
            ) from error
