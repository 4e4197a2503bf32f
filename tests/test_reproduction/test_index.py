# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import itertools
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from mmfer.registry import MODELS
from mmfer.reproduction.index import ExperimentError, Index, Source, grid_variant, select
from mmfer.reproduction.published import Published
from mmfer.utils.dataset_config import unwrapped

SHIPPED = Path('configs/apvit/experiments.yml')
KT = Path('configs/kt_adapter/experiments.yml')


@pytest.fixture(scope='module')
def index():
    return Index.from_file(SHIPPED)


@pytest.fixture(scope='module')
def kt_index():
    return Index.from_file(KT)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an index; its arguments change the only experiment."""
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
        'cnn',  # ours
        *('figure1', 'figure5', 'figure6', 'figure7'),
    ]


@pytest.mark.parametrize('path', [SHIPPED, KT])
def test_published_values_have_their_rows(path):
    index = Index.from_file(path)
    published = Published.from_file(path.with_name('published.yml'))
    for name, rows in published.tables.items():
        experiment = index.experiments[name]
        assert rows.keys() <= experiment.rows.keys(), name
        metrics = [index.databases[database].metrics for database in experiment.databases]
        columns = {*itertools.chain(*metrics), *experiment.metrics, experiment.cost}
        assert {column for row in rows.values() for column in row} <= columns, name
    for misprint in published.misprints:
        value = published.tables[misprint.table][misprint.row].get(misprint.column)
        meant = misprint.printed if misprint.meant is None else misprint.meant
        assert value == (meant if misprint.column else None)
        assert misprint.printed != misprint.meant


def test_only_misprints_of_what_is_shown_are_explained(kt_index):
    published = Published.from_file(KT.with_name('published.yml'))
    table = kt_index.find('kt-table5')
    (note,) = published.footnotes(table, {'CFP TAR', 'WFLW NME'})
    assert '49.59' in note
    assert published.marks(table, {'CFP TAR'}) == {('C to M', 'CFP TAR')}
    masks = kt_index.find('kt-table6')
    # A row has marks, but only if columns of the paper are shown.
    assert len(published.footnotes(masks, {'UTKFace MAE'})) == 1
    assert not published.footnotes(masks, set()) and not published.marks(masks, set())


def test_what_has_no_published_numbers(index, kt_index):
    # Figures 1 and 7 have no numbers, nor Figure 6 in the text; `cnn` and `kt-priors` are ours.
    missing = {'cnn', 'figure1', 'figure6', 'figure7'}
    for known, path in ((index, SHIPPED), (kt_index, KT)):
        published = Published.from_file(path.with_name('published.yml'))
        assert known.experiments.keys() - published.tables.keys() == missing
        # The t-SNE figures show numbers of tables.
        missing = {'kt-table5-priors', 'kt-priors', 'kt-figure2', 'kt-figure6', 'kt-figure7'}


def test_runs_whose_checkpoints_rows_name(kt_index):
    made = kt_index.maker('work_dirs/swin-micro_1xb32-20e_synthface-age-64px/epoch_20.pth')
    assert made == Source(database='synthface-age-64px', variant='swin-micro')
    for other in (
        'swin-micro_1xb32-20e_wflw-224px/epoch_20.pth',  # not trained on this database
        'swin-nano_1xb32-20e_wflw-224px/epoch_20.pth',
        'checkpoints/swin.pth',
    ):
        assert kt_index.maker(f'work_dirs/{other}') is None


def test_every_row_is_there_for_the_papers_data_and_for_drawn_faces(kt_index):
    for experiment in kt_index.experiments.values():
        for row in experiment.trained_rows:
            for database in experiment.databases:
                stand_in = kt_index.stand_ins['synth'][database]
                assert {database, stand_in} <= kt_index.variants[row].keys(), (row, database)
                # Both have the same metrics.
                own, other = (kt_index.databases[name] for name in (database, stand_in))
                assert [*own.metrics.values()] == [*other.metrics.values()]
                assert own.primary == other.primary


def test_rows_have_the_baseline_of_their_own_encoder(kt_index):
    for number in range(1, 6):
        experiment = kt_index.find(f'kt-table{number}')
        for row in experiment.rows:
            reference = experiment.reference_of(row)
            assert reference == (row[-1] if ' to ' in row else None), (number, row)


def test_the_reading_of_table_5():
    """Its numbers are those of rows of Tables 1 to 4; all others are marked as misprints."""
    published = Published.from_file(KT.with_name('published.yml'))
    others = {}
    for number in range(1, 5):
        for row, values in published.tables[f'kt-table{number}'].items():
            others.setdefault(row, {}).update(values)
    other_numbers = {}
    for encoder in 'MCS':
        cells = published.tables['kt-table5']
        for priors, points in (('M', 0.101), ('C', 0.201)):
            row = f'{priors} to {encoder}'
            for column, value in cells[row].items():
                near = points if value > 10 else points / 100
                if abs(value - others[row][column]) > near:
                    other_numbers.setdefault(priors, set()).add((row, column))
        row = f'best to {encoder}'
        for column, value in cells[row].items():
            found = [others[f'{priors} to {encoder}'][column] for priors in 'MCS']
            less = any(word in column for word in ('NME', 'MAE', 'variance'))
            if value != (min if less else max)(found):
                other_numbers.setdefault('best', set()).add((row, column))
    assert {key: len(found) for key, found in other_numbers.items()} == {'M': 1, 'C': 2, 'best': 2}
    marked = {(it.row, it.column) for it in published.misprints if it.table == 'kt-table5'}
    assert set().union(*other_numbers.values()) <= marked


def test_patches_are_those_of_the_models(index):
    for name in ('RAF-DB', 'SynthFace'):
        database = index.databases[name]
        model = MODELS.build(Config.fromfile(database.config).model)
        assert model.backbone.num_patches == database.patches


def test_grid(index):
    figure = index.experiments['figure5']
    assert len(figure.rows) == 25 and figure.rows['k80-r06'] == ('80', '0.6')
    assert index.variants['k196-r10']['AffectNet'].options == {
        'model.backbone.app': None,
        'model.backbone.atp': None,
    }
    assert grid_variant(40, 0.7) == (
        'k40-r07',
        {'model.backbone.app.keep_num': 40, 'model.backbone.atp.keep_rate': 0.7},
    )


def test_select(index):
    (table,) = select(index, ['table1'], ['RAF-DB'])
    assert table.databases == ('RAF-DB',)
    assert len(select(index, ['all'])) == len(index.experiments)
    assert {e.name for e in select(index, ['all'], ['CIFAR-10'])} == {'table15'}


def test_one_row_comes_with_its_reference_row(kt_index):
    (one,) = select(kt_index, ['kt-table3/S to C'])
    assert [*one.rows] == ['C', 'S to C'] and one.name == 'kt-table3-S-to-C'
    assert one.published == 'kt-table3' and one.reference_of('S to C') == 'C'
    (one,) = select(kt_index, ['kt-table6/2'])
    assert [*one.rows] == ['no-masks', 'dm']
    (one,) = select(kt_index, ['kt-table5/M to M'])
    assert not one.best_of
    (one,) = select(kt_index, ['kt-table5/best to M'])
    assert [*one.best_of] == ['best to M']


@pytest.mark.parametrize(
    ('names', 'databases', 'message'),
    [
        (['tabel1'], None, "'tabel1'.*table1"),
        (['table1'], ['SFEW'], 'table1 .*RAF-DB, AffectNet.*SFEW'),
        (['table1'], ['RAFDB'], "--databases 'RAFDB' .*RAF-DB"),
    ],
)
def test_wrong_selection(index, names, databases, message):
    with pytest.raises(ExperimentError, match=message):
        select(index, names, databases)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(rows={'aplain': ['x']}), "table1: row 'aplain' .*apvit, plain"),
        (dict(databases=['FER']), "database 'FER' .*RAF-DB"),
        (dict(reference='plain'), "reference 'plain' .*apvit"),
        (dict(figure='pie'), "figure 'pie' .*heat_map"),
        (dict(cost='joules'), "cost 'joules' .*GFLOPs, share"),
        (dict(label=['a', 'b']), 'row apvit .*1 '),
        (dict(reference={'apvit': 'plain'}), "reference 'plain' .*apvit"),
        (dict(best_of={'apvit': ['aplain']}), "row 'aplain' .*apvit, plain"),
        (dict(columns=['AffectNet']), "column 'AffectNet' .*RAF-DB"),
        (dict(seeds=3), 'seeds'),
    ],
)
def test_wrong_index(write, changes, message):
    content = yaml.safe_load(write().read_text())
    content['experiments']['table1'] |= changes
    path = write()
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ExperimentError, match=message) as error:
        Index.from_file(path)
    assert str(path) in str(error.value)


def test_config_that_is_not_there(write, tmp_path):
    path = write()
    (tmp_path / 'model.py').unlink()
    with pytest.raises(ExperimentError, match='model.py'):
        Index.from_file(path)


@pytest.mark.parametrize('path', [SHIPPED, KT])
def test_folders_of_databases_are_those_of_the_configs(path):
    """Training by configs and ``--data-root data`` use the same layout of ``data``."""
    for entry in Index.from_file(path).databases.values():
        if entry.folder:
            dataset = unwrapped(Config.fromfile(entry.config).train_dataloader.dataset)
            assert Path(dataset.data_root) == Path('data', entry.folder)
