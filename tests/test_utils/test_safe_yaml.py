# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmengine.config import Config
from mmengine.fileio import dump, load

from mmfer.utils.config_options import read_config
from mmfer.utils.safe_yaml import SafeYamlHandler

EVIL = 'a: !!python/object/apply:builtins.open [{mark!r}, w]'


@pytest.mark.parametrize('name', ['a.yaml', 'a.yml'])
@pytest.mark.parametrize('read', [load, read_config, Config.fromfile])
def test_no_reader_of_mmengine_runs_tags(tmp_path, name, read):
    mark, path = tmp_path / 'mark', tmp_path / name
    path.write_text(EVIL.format(mark=str(mark)))
    with pytest.raises(ValueError, match='python/object/apply'):
        read(path)
    assert not mark.exists()


def test_files_of_mmengine_are_read(tmp_path):
    content = dict(a=(1, (2.5, None)), b=['x', True], c={'d': {}})
    dump(content, tmp_path / 'a.yaml')
    assert load(tmp_path / 'a.yaml') == content
    assert SafeYamlHandler().load_from_path(tmp_path / 'a.yaml') == content
