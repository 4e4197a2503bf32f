# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The KT-Adapter's configs fit together, and all of the paper's tables are there."""

import itertools
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.dataset import default_collate
from mmengine.evaluator import Evaluator
from shipped_configs import BY_NAME, CONFIGS, ROOT, read_config

from mmfer.registry import DATASETS, MODELS
from mmfer.reproduction.kt_pipeline import DATA
from mmfer.reproduction.stages import last_checkpoint_name
from mmfer.tasks import TASKS

FOLDER = ROOT / 'configs' / 'kt_adapter'
ADAPTERS = [path for path in CONFIGS if path.name.startswith('kt-adapter')]
PUBLISHED = yaml.safe_load((FOLDER / 'published.yml').read_text())
#: Letters of the paper's tables: encoder, full size and small.
ENCODERS = {
    'M': ('mobileone-s0', 'mobileone-micro'),
    'C': ('convnext-v2-base', 'convnext-v2-micro'),
    'S': ('swin-base', 'swin-micro'),
}
#: Full size and small: its place in ENCODERS, how the names end for each task, epochs of training.
SIZES = {
    'full': (0, DATA['paper'], ('30e', '30e')),
    'small': (1, DATA['synthface'], ('20e', '10e')),
}
#: Table 6: the name of a row in the file of published results and the one in configs' names.
MASKS = {
    'none': '-no-masks',
    'DM': '-dm',
    'CM': '-cm',
    'DM+PE': '-dm-pe',
    'CM+PE': '-cm-pe',
    'DM+CM+PE': '-dm-cm-pe',
    'DM+CM': '',
}

every_size = pytest.mark.parametrize('size', SIZES)
every_task = pytest.mark.parametrize('task', TASKS)
every_adapter = pytest.mark.parametrize('path', ADAPTERS, ids=lambda path: path.stem)


def baseline_name(letter: str, size: str, task: str) -> str:
    place, ends, (epochs, _) = SIZES[size]
    return f'{ENCODERS[letter][place]}_1xb32-{epochs}_{ends[task]}'


def adapter_name(priors: str, canonical: str, size: str, task: str, variant: str = '') -> str:
    place, ends, (_, epochs) = SIZES[size]
    pair = f'{ENCODERS[priors][place]}-to-{ENCODERS[canonical][place]}'
    return f'kt-adapter{variant}_{pair}_1xb32-{epochs}_{ends[task]}'


def task_of(cfg) -> str:
    """The task of a config, told by its data."""
    dataset = cfg.train_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    known = DATASETS.get(dataset.type).METAINFO.get('task', 'expression')
    return dataset.get('task', known)


def baseline_of(checkpoint: str):
    """The config whose training leaves this checkpoint."""
    path = Path(checkpoint)
    assert path.parts[0] == 'work_dirs' and len(path.parts) == 3
    assert path.parts[1] in BY_NAME, f'{checkpoint} is no config that is shipped'
    cfg = read_config(path.parts[1])
    assert path.name == last_checkpoint_name(cfg)
    return cfg


def architecture(backbone):
    """A backbone's settings without what only its own training is about."""
    if not isinstance(backbone, dict):
        return backbone
    only_training = ('init_cfg', 'drop_path_rate')
    return {k: architecture(v) for k, v in backbone.items() if k not in only_training}


@every_adapter
def test_priors_come_from_baselines(path):
    cfg = read_config(path)
    assert tuple(cfg.model.priors) == TASKS  # the canonical one is left out by the model
    for task, prior in cfg.model.priors.items():
        baseline = baseline_of(prior.checkpoint)
        assert task_of(baseline) == task
        assert architecture(prior.backbone) == architecture(baseline.model.backbone)
        assert not prior.backbone.get('init_cfg')  # the checkpoint has all weights


@every_adapter
def test_canonical_encoder_and_decoder_come_from_a_baseline(path):
    cfg = read_config(path)
    assert cfg.model.init_cfg.type == 'Pretrained'
    baseline = baseline_of(cfg.model.init_cfg.checkpoint)
    assert cfg.model.neck.canonical == task_of(cfg) == task_of(baseline)
    assert architecture(cfg.model.backbone) == architecture(baseline.model.backbone)
    assert cfg.model.head.to_dict() == baseline.model.head.to_dict()
    assert not cfg.model.backbone.get('init_cfg')
    # The gain is measured on the same pictures.
    assert cfg.test_dataloader.dataset == baseline.test_dataloader.dataset


@every_size
@every_task
def test_baselines_are_complete(size, task):
    for letter in ENCODERS:
        path = BY_NAME[baseline_name(letter, size, task)]
        assert path.parent == FOLDER / 'baselines'
        assert task_of(read_config(path)) == task


@every_size
@every_task
def test_every_pair_of_tables_1_to_4_is_there(size, task):
    pairs = set(PUBLISHED[task]) - set(ENCODERS)
    assert pairs == {f'{x} to {y}' for x, y in itertools.product(ENCODERS, repeat=2)}
    for priors, canonical in itertools.product(ENCODERS, repeat=2):
        cfg = read_config(adapter_name(priors, canonical, size, task))
        own, other = (baseline_name(letter, size, task) for letter in (canonical, priors))
        assert Path(cfg.model.init_cfg.checkpoint).parent.name == own
        assert Path(cfg.model.priors[task].checkpoint).parent.name == other
        assert 'num_priors' not in cfg.model  # all three


@every_task
def test_every_row_of_table_5_is_there(task):
    assert set(PUBLISHED['num_priors']) - {'metrics'} == set(ENCODERS)
    # At small size one encoder is enough.
    for letter, size in [*((letter, 'full') for letter in ENCODERS), ('M', 'small')]:
        assert baseline_name(letter, size, task) in BY_NAME  # 0 priors
        for number, variant in ((1, '-1prior'), (2, '-2priors'), (3, '')):
            assert number in PUBLISHED['num_priors'].get(letter)
            cfg = read_config(adapter_name(letter, letter, size, task, variant))
            assert cfg.model.get('num_priors', 3) == number


@pytest.mark.parametrize('task', ['expression', 'age'])
@pytest.mark.parametrize(('size', 'priors'), [('full', 'C'), ('small', 'M')])
def test_every_row_of_table_6_is_there(size, priors, task):
    assert set(PUBLISHED['masks']) - {'metrics'} == set(MASKS)
    for marks, variant in MASKS.items():
        neck = read_config(adapter_name(priors, 'M', size, task, variant)).model.neck
        defaults = {'drop_mask': True, 'canonical_mask': True, 'task_embedding': False}
        names = {'drop_mask': 'DM', 'canonical_mask': 'CM', 'task_embedding': 'PE'}
        for key, default in defaults.items():
            assert neck.get(key, default) == (names[key] in marks.split('+')), (marks, key)


def test_small_nets_on_the_papers_data_are_there():
    for task, end in DATA['paper-64px'].items():
        for name in (
            f'mobileone-micro_1xb32-20e_{end}',
            f'kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_{end}',
        ):
            assert task_of(read_config(name)) == task


@every_task
def test_the_published_metrics_are_those_that_testing_gives(task):
    cfg = read_config(baseline_name('M', 'small', task))
    # Few people, so that there are pairs of pictures of one.
    dataset = DATASETS.build(
        dict(cfg.test_dataloader.dataset, num_samples=12, num_identities=4, cache=False)
    )
    model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = dataset.metainfo
    batch = default_collate([dataset[index] for index in range(12)])
    with torch.no_grad():
        evaluator.process(model.test_step(batch), batch)
    assert set(PUBLISHED['metrics'][task]) <= set(evaluator.evaluate(12))


def test_published_rows_have_a_number_for_each_metric():
    tables = [(PUBLISHED['metrics'][task], PUBLISHED[task]) for task in TASKS]
    by_number, masks = dict(PUBLISHED['num_priors']), dict(PUBLISHED['masks'])
    metrics = by_number.pop('metrics')
    tables += [(metrics, rows) for rows in by_number.values()]
    tables += [(masks.pop('metrics'), masks)]
    for metrics, rows in tables:
        assert all(len(values) == len(metrics) for values in rows.values())
    # What is in two tables is the same number.
    order = ('landmarks', 'age', 'expression', 'recognition')
    for letter in ENCODERS:
        parts = [PUBLISHED[task][letter] for task in order]
        # Of recognition, Table 5 has the last two columns.
        assert by_number[letter][0] == [*parts[0], *parts[1], *parts[2], *parts[3][2:]]
    assert PUBLISHED['num_priors']['metrics'] == [
        *(metric for task in order[:3] for metric in PUBLISHED['metrics'][task]),
        *PUBLISHED['metrics']['recognition'][2:],
    ]
    last = ('expression', 'age')
    assert PUBLISHED['masks']['DM+CM'] == [v for task in last for v in PUBLISHED[task]['C to M']]
