# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from mmfer.registry import MODELS
from mmfer.reproduction.index import ExperimentError, Index, grid_variant, select

SHIPPED = Path('configs/apvit/experiments.yml')
PUBLISHED = SHIPPED.with_name('published.yml')


@pytest.fixture(scope='module')
def index():
    return Index.from_file(SHIPPED)


@pytest.fixture
def write(tmp_path):
    """Write an index; what is given changes its only experiment."""
    (tmp_path / 'model.py').write_text('train_cfg = dict(max_epochs=1)')

    def _write(**changes):
        experiment = dict(title='t', databases=['RAF-DB'], rows={'apvit': ['x']}, **changes)
        content = dict(
            databases={'RAF-DB': dict(config='model.py', folder='rafdb')},
            variants={'apvit': {}, 'plain': {'model.app': None}},
            experiments={'table1': experiment},
        )
        (tmp_path / 'index.yml').write_text(yaml.safe_dump(content))
        return tmp_path / 'index.yml'

    return _write


def test_all_tables_and_figures_of_the_paper(index):
    assert list(index.experiments) == [
        *(f'table{number}' for number in range(1, 16)),
        *('figure5', 'figure6', 'figure7'),
    ]


def test_published_values_have_their_rows(index):
    published = yaml.safe_load(PUBLISHED.read_text())
    for name, rows in published.items():
        experiment = index.experiments[name]
        assert rows.keys() <= experiment.rows.keys(), name
        columns = {*experiment.databases, *experiment.metrics, experiment.cost}
        assert {column for row in rows.values() for column in row} <= columns, name
    # Figure 7 has no numbers, nor Figure 6 in the text.
    assert index.experiments.keys() - published.keys() == {'figure6', 'figure7'}


def test_patches_are_those_of_the_models(index):
    for name in ('RAF-DB', 'SynthFace'):
        database = index.databases[name]
        model = MODELS.build(Config.fromfile(database.config).model)
        assert model.backbone.num_patches == database.patches


def test_grid(index):
    figure = index.experiments['figure5']
    assert len(figure.rows) == 25 and figure.rows['k80-r06'] == ('80', '0.6')
    assert index.variants['k196-r10'].options == {
        'model.backbone.app': None,
        'model.backbone.atp': None,
    }
    assert grid_variant(40, 0.7).options == {
        'model.backbone.app.keep_num': 40,
        'model.backbone.atp.keep_rate': 0.7,
    }


def test_select(index):
    (table,) = select(index, ['table1'], ['RAF-DB'])
    assert table.databases == ('RAF-DB',)
    assert len(select(index, ['all'])) == len(index.experiments)
    assert {e.name for e in select(index, ['all'], ['CIFAR-10'])} == {'table15'}


@pytest.mark.parametrize(
    ('names', 'databases', 'said'),
    [
        (['tabel1'], None, "'tabel1'.*table1"),
        (['table1'], ['SFEW'], 'table1 .*RAF-DB, AffectNet.*SFEW'),
        (['table1'], ['RAFDB'], "--databases 'RAFDB' .*RAF-DB"),
    ],
)
def test_wrong_selection(index, names, databases, said):
    with pytest.raises(ExperimentError, match=said):
        select(index, names, databases)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        (dict(rows={'aplain': ['x']}), "table1: row 'aplain' .*apvit, plain"),
        (dict(databases=['FER']), "database 'FER' .*RAF-DB"),
        (dict(reference='plain'), "reference 'plain' .*apvit"),
        (dict(figure='pie'), "figure 'pie' .*heat_map"),
        (dict(cost='joules'), "cost 'joules' .*GFLOPs, share"),
        (dict(label=['a', 'b']), 'row apvit .*1 '),
        (dict(seeds=3), 'seeds'),
    ],
)
def test_wrong_index(write, changes, said):
    content = yaml.safe_load(write().read_text())
    content['experiments']['table1'] |= changes
    path = write()
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ExperimentError, match=said) as error:
        Index.from_file(path)
    assert str(path) in str(error.value)


def test_config_that_is_not_there(write, tmp_path):
    path = write()
    (tmp_path / 'model.py').unlink()
    with pytest.raises(ExperimentError, match='model.py'):
        Index.from_file(path)
