# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The KT-Adapter's configs fit together, and all of the paper's tables are there."""

import itertools
from pathlib import Path

import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.evaluator import Evaluator
from shipped_configs import BY_NAME, CONFIGS, ROOT, read_config, variants

from mmfer.registry import DATASETS, MODELS
from mmfer.reproduction.published import Published
from mmfer.reproduction.stages import last_checkpoint_name
from mmfer.tasks import TASKS
from mmfer.utils.dataset_config import unwrapped

FOLDER = ROOT / 'configs' / 'kt_adapter'
INDEX = variants('kt_adapter').index
#: Table of the paper -> its task, which has a metric for each column.
TABLES = {
    'kt-table1': 'recognition',
    'kt-table2': 'landmarks',
    'kt-table3': 'age',
    'kt-table4': 'expression',
}
#: Databases, by task.
FULL = {task: INDEX.experiments[table].databases[0] for table, task in TABLES.items()}
SMALL = {task: INDEX.stand_ins['synth'][name] for task, name in FULL.items()}
#: Letters of the paper's tables: encoder, full size and small.
ENCODERS = {
    'M': ('mobileone-s0', 'mobileone-micro'),
    'C': ('convnext-v2-base', 'convnext-v2-micro'),
    'S': ('swin-base', 'swin-micro'),
}
#: Full size and small: its place in ENCODERS, and the database of each task.
SIZES = {'full': (0, FULL), 'small': (1, SMALL)}

#: Files of adapters, and (database, variant) of all that the index makes of them.
ADAPTERS = [path.stem for path in CONFIGS if path.name.startswith('kt-adapter')] + [
    (database, variant)
    for database in INDEX.databases
    for variant in INDEX.variants
    if variants('kt_adapter').exists(database, variant)
    and variants('kt_adapter').path(database, variant).parent == FOLDER
    # Not those that only join others.
    and variants('kt_adapter').name(database, variant) == variant
]

every_size = pytest.mark.parametrize('size', SIZES)
every_task = pytest.mark.parametrize('task', TASKS)


def config_of(name):
    """Of a file, or of a variant on a database."""
    return read_config(name) if isinstance(name, str) else variants('kt_adapter').config(*name)


def baseline(letter: str, size: str, task: str):
    place, databases = SIZES[size]
    return config_of((databases[task], ENCODERS[letter][place]))


def adapter(priors: str, canonical: str, size: str, task: str):
    place, databases = SIZES[size]
    return config_of(
        (databases[task], f'{ENCODERS[priors][place]}-to-{ENCODERS[canonical][place]}')
    )


def task_of(cfg) -> str:
    """The task of a config, told by its data."""
    dataset = unwrapped(cfg.train_dataloader.dataset)
    known = DATASETS.get(dataset.type).METAINFO.get('task', 'expression')
    return dataset.get('task', known)


def baseline_of(checkpoint: str):
    """The config whose training leaves this checkpoint: of a file, or of a small encoder."""
    path = Path(checkpoint)
    assert path.parts[0] == 'work_dirs' and len(path.parts) == 3
    if path.parts[1] in BY_NAME:
        cfg = read_config(path.parts[1])
    else:
        variant, _, rest = path.parts[1].partition('_1xb32-20e_')
        cfg = config_of((rest, variant))
    assert path.name == last_checkpoint_name(cfg)
    return cfg


def architecture(backbone):
    """A backbone's settings without what only its own training is about."""
    if not isinstance(backbone, dict):
        return backbone
    only_training = ('init_cfg', 'drop_path_rate')
    return {k: architecture(v) for k, v in backbone.items() if k not in only_training}


def test_priors_come_from_baselines():
    for name in ADAPTERS:
        cfg = config_of(name)
        assert tuple(cfg.model.priors) == TASKS  # the canonical one is left out by the model
        for task, prior in cfg.model.priors.items():
            baseline = baseline_of(prior.checkpoint)
            assert task_of(baseline) == task, name
            assert architecture(prior.backbone) == architecture(baseline.model.backbone), name
            assert not prior.backbone.get('init_cfg')  # the checkpoint has all weights


def test_canonical_encoders_and_decoders_come_from_baselines():
    for name in ADAPTERS:
        cfg = config_of(name)
        assert cfg.model.init_cfg.type == 'Pretrained'
        baseline = baseline_of(cfg.model.init_cfg.checkpoint)
        assert cfg.model.neck.canonical == task_of(cfg) == task_of(baseline), name
        assert architecture(cfg.model.backbone) == architecture(baseline.model.backbone), name
        assert cfg.model.head.to_dict() == baseline.model.head.to_dict()
        assert not cfg.model.backbone.get('init_cfg')
        # The gain is measured on the same images.
        assert cfg.test_dataloader.dataset == baseline.test_dataloader.dataset


@every_size
@every_task
def test_baselines_are_complete(size, task):
    for letter in ENCODERS:
        assert task_of(baseline(letter, size, task)) == task


@every_size
@every_task
def test_every_pair_of_tables_1_to_4_is_there(size, task):
    for priors, canonical in itertools.product(ENCODERS, repeat=2):
        place, databases = SIZES[size]
        cfg = config_of((databases[task], f'{priors} to {canonical}'))
        assert cfg.to_dict() == adapter(priors, canonical, size, task).to_dict()
        start = Path(cfg.model.init_cfg.checkpoint).parent.name
        assert start.startswith(ENCODERS[canonical][place])
        other = Path(cfg.model.priors[task].checkpoint).parent.name
        assert other.startswith(ENCODERS[priors][place])
        assert 'num_priors' not in cfg.model  # all three


def test_tables_1_to_4_have_every_pair():
    pairs = {f'{x} to {y}' for x, y in itertools.product(ENCODERS, repeat=2)}
    for table in TABLES:
        rows = INDEX.experiments[table].rows
        assert rows.keys() == pairs | ENCODERS.keys()
        assert all(cells == (row,) for row, cells in rows.items())


def test_every_row_of_the_other_reading_of_table_5():
    experiment = INDEX.experiments['kt-table5-priors']
    assert {*experiment.databases} == {*FULL.values()}
    for row, (letter, number) in experiment.rows.items():
        for database in experiment.databases:
            model = config_of((database, row)).model
            if number == 'baseline':
                assert model.type == 'ImageClassifier'
            else:
                assert model.get('num_priors', 3) == int(number)
                assert ENCODERS[letter][0] in model.priors.age.checkpoint
                assert ENCODERS[letter][0] in model.init_cfg.checkpoint


@pytest.mark.parametrize('database', ['affectnet-hq-224px', 'utkface-224px', 'synthface-age-64px'])
def test_every_row_of_table_6(database):
    names = {'drop_mask': 'DM', 'canonical_mask': 'CM', 'task_embedding': 'PE'}
    defaults = {'drop_mask': True, 'canonical_mask': True, 'task_embedding': False}
    for row, (marks,) in INDEX.experiments['kt-table6'].rows.items():
        model = config_of((database, row)).model
        for key, default in defaults.items():
            assert model.neck.get(key, default) == (names[key] in marks.split('+')), (marks, key)
        assert 'mobileone' in model.init_cfg.checkpoint  # "C to M"
        assert 'convnext-v2' in model.priors.age.checkpoint


def test_small_nets_on_the_papers_data_are_there():
    for task, name in FULL.items():
        database = INDEX.stand_ins['paper-64px'][name]
        for variant in ('mobileone-micro', 'mobileone-micro-to-mobileone-micro'):
            assert task_of(config_of((database, variant))) == task


@every_task
def test_the_metrics_of_the_tables_are_those_that_testing_gives(task):
    cfg = baseline('M', 'small', task)
    # Few people, so that there are pairs of images of one.
    dataset = DATASETS.build(
        dict(cfg.test_dataloader.dataset, num_samples=12, num_identities=4, cache=False)
    )
    model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = dataset.metainfo
    batch = default_collate([dataset[index] for index in range(12)])
    with torch.no_grad():
        evaluator.process(model.test_step(batch), batch)
    database = INDEX.databases[SMALL[task]]
    assert {*database.metrics.values(), database.primary} <= set(evaluator.evaluate(12))


def test_what_is_published_twice_is_the_same_number():
    tables = Published.from_file(FOLDER / 'published.yml').tables
    in_table = {column: table for table in TABLES for column in tables[table]['M']}
    for letter in ENCODERS:
        for column, value in tables['kt-table5'][letter].items():
            assert value == tables[in_table[column]][letter][column]
    for column, value in tables['kt-table6']['C to M'].items():
        assert value == tables[in_table[column]]['C to M'][column]
