# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import yaml
from mmengine.config import Config

from mmfer.reproduction.index import ExperimentError, Index
from mmfer.reproduction.variants import Variants, get
from mmfer.utils.config_options import UnknownOptionError

CONFIG = """
encoder = dict(type='{encoder}')
priors = dict(age=encoder)
model = dict(
    app=dict(keep_num=160),
    backbone=dict(type='{encoder}', depth={depth}),
    priors=priors,
    start='x.pth',
)
"""
PRIORS = """
encoder = dict(type='Swin', width=3)
priors = dict(age=encoder, gaze=encoder)
"""
INDEX = dict(
    databases={
        'faces-64px': dict(config='own-faces-64px.py', patches=64),
        'faces-112px': dict(config='own-faces-112px.py'),
    },
    variants={
        'plain': {'model.app': None},
        'own': {'model.app.keep_num': 160},
        'k80': {'model.app.keep_num': 80},
        'from-swin': {
            'configs': {'*-64px': 'own-{database}.py'},
            'parts': {'model.priors': 'priors.py priors', 'model.backbone': 'other.py'},
            'options': {'model.start': 'swin_{database}.pth'},
        },
    },
    experiments={
        'table1': dict(title='t', databases=['faces-112px'], rows={'plain': ['no'], 'k80': ['yes']})
    },
)


@pytest.fixture
def read(tmp_path):
    """Return a function that reads an index; its arguments change one of the variants."""
    for pixels in (64, 112):
        content = CONFIG.format(encoder='MobileOne', depth=pixels)
        (tmp_path / f'own-faces-{pixels}px.py').write_text(content)
    (tmp_path / 'other.py').write_text(CONFIG.format(encoder='ConvNeXt', depth=7))
    (tmp_path / 'priors.py').write_text(PRIORS)

    def _read(variant='plain', **changes):
        content = yaml.safe_load(yaml.safe_dump(INDEX, sort_keys=False))
        content['variants'].setdefault(variant, {}).update(changes)
        (tmp_path / 'index.yml').write_text(yaml.safe_dump(content, sort_keys=False))
        return Index.from_file(tmp_path / 'index.yml')

    return _read


@pytest.fixture(scope='module')
def variants():
    return Variants(Index.from_file('configs/apvit/experiments.yml'))


@pytest.mark.parametrize('row', ['baseline', 'app', 'atp', 'scratch'])
def test_variants_that_are_files_on_rafdb_say_the_same(variants, row):
    path = f'configs/apvit/apvit-{row}_ir50-vit-small_1xb128-40e_rafdb-112px.py'
    assert variants.config('RAF-DB', row).to_dict() == Config.fromfile(path).to_dict()


def test_overrides(read):
    made = Variants(read())
    assert made.config('faces-112px', 'plain').model.app is None
    assert made.config('faces-112px', 'k80').model.app.keep_num == 80
    # Earlier configs and the file are not changed.
    assert made.config('faces-112px', 'own').model.app.keep_num == 160


def test_parts_of_other_files(read):
    cfg = Variants(read()).config('faces-64px', 'from-swin')
    swin = dict(type='Swin', width=3)
    assert cfg.model.priors == dict(age=swin, gaze=swin)
    assert cfg.model.backbone == dict(type='ConvNeXt', depth=7)  # no setting of MobileOne remains
    # Helper variables are the same.
    assert cfg.priors == cfg.model.priors and cfg.encoder == swin
    assert cfg.model.start == 'swin_faces-64px.pth' and cfg.model.app.keep_num == 160


def test_variants_of_several_databases_together(read):
    index = read('either', of=['k80', 'from-swin'], options={'model.app.keep_num': 98})
    made = Variants(index)
    # The last variant with the database is used, then its options.
    small, large = (made.config(f'faces-{size}px', 'either') for size in (64, 112))
    assert small.model.backbone.type == 'ConvNeXt' and small.model.app.keep_num == 32
    assert large.model.backbone.type == 'MobileOne' and large.model.app.keep_num == 98


def test_other_databases_have_no_such_variant(read):
    made = Variants(read())
    assert made.exists('faces-64px', 'from-swin') and not made.exists('faces-112px', 'from-swin')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(configs={'*-224px': 'own-{database}.py'}),
            r"'\*-224px' .*faces-64px",
        ),
        (dict(configs={'*': 'their-{database}.py'}), 'their-faces-64px.py'),
        (dict(parts={'model.priors': 'absent.py priors'}), 'absent.py'),
        (dict(options={}, option={}), "key 'option' .*configs"),
        (dict(of=['k90']), "from-swin: of 'k90' .*plain"),
    ],
)
def test_wrong_entries(read, changes, message):
    with pytest.raises(ExperimentError, match=message):
        read('from-swin', **changes)


def test_settings_that_a_config_does_not_have(read):
    index = read('plain', **{'model.ap.keep_num': 3})
    with pytest.raises(UnknownOptionError, match='model.ap'):
        Variants(index).config('faces-64px', 'plain')


def test_get():
    cfg = dict(a=dict(b=[1]))
    assert get(cfg, 'a.b') == [1]
    assert get(cfg, 'a.c', default=2) == get(cfg, 'a.b.c', default=2) == 2


@pytest.mark.parametrize(
    ('name', 'row'), [('table1/1', 'plain'), ('table1/2', 'k80'), ('table1/k80', 'k80')]
)
def test_rows_of_an_experiment(read, name, row):
    assert read().find_row(name) == (row, ('faces-112px',))


def test_a_variant_by_itself(read):
    assert read().find_row('own') == ('own', ('faces-64px', 'faces-112px'))


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('table1/own', "row 'own' .*plain, k80, 1 to 2"),
        ('table1/0', "row '0' "),
        ('table2/1', "'table2'.*table1"),
        ('k90', "variant 'k90' .*plain"),
    ],
)
def test_rows_that_are_not_there(read, name, message):
    with pytest.raises(ExperimentError, match=message):
        read().find_row(name)


@pytest.mark.parametrize(
    ('database', 'row', 'name'),
    [
        ('RAF-DB', 'apvit', 'apvit'),
        ('RAF-DB', 'k80-r06', 'k80-r06'),
        ('RAF-DB', 'k160-r09', 'apvit'),
        ('RAF-DB', 'k196-r10', 'baseline'),
        ('RAF-DB', 'k196-r09', 'atp'),
        ('RAF-DB', 'k160-r10', 'app'),
        # These are already the settings of the config.
        ('ExpW', 'k80-r06', 'apvit'),
        ('Aff-Wild2', 'k80-r06', 'apvit'),
        ('Aff-Wild2', 'r06', 'atp'),
        ('SFEW', 'k120-r09', 'apvit'),
        ('RAF-DB', 'transfer', 'transfer'),
    ],
)
def test_the_same_training_has_one_name(variants, database, row, name):
    assert variants.name(database, row) == name


def test_other_models_have_some_databases_only(variants):
    assert variants.exists('RAF-DB', 'transfer')
    assert not variants.exists('ExpW', 'transfer')
