# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A config that names a published figure trains what the figure was measured on.

The comment at its top is compared with ``published.yml``, and its starting weights, batch, schedule
and data with what the paper says in words (Sec. 4.2 and Table 14).
"""

import functools
import re

import pytest
from shipped_configs import BY_NAME, CONFIGS, ROOT, read_config, variants

from mmfer.reproduction.published import Published
from mmfer.utils.dataset_config import unwrapped

#: What each part of a published model starts from.
TRANSFORMERS = {
    'small': 'checkpoints/vit-small_imagenet.pth',
    'deit-tiny': 'checkpoints/deit-tiny_imagenet.pth',
}
CNN = 'checkpoints/ir50_ms1m.pth'
RAF_DB = 'checkpoints/apvit_rafdb.pth'
#: Rows of Table 3 that leave one or both out.
WITHOUT = {'scratch': {'transformer', 'cnn'}, 'cnn-only': {'transformer'}, 'vit-only': {'cnn'}}
BATCH = {'APViT': 128, 'TransFER': 64}
#: Learning rate, weight decay, length, and where the rate goes to 0 or is divided by 10.
SCHEDULES = {
    'RAFDB': (1e-3, 5e-4, 40, 40),
    'SFEW': (1e-3, 5e-4, 40, 40),
    'FERPlus': (1e-3, 5e-4, 20, 20),
    'AffectNet': (5e-4, 5e-4, 6_000, 6_000),
    'ExpW': (5e-4, 5e-4, 9_000, 9_000),
    'AffWild2': (1e-3, 5e-4, 150_000, 150_000),
    'CIFAR10': (1e-3, 5e-4, 40, 40),  # not in the paper
    'TransFER': (1e-3, 1e-4, 40, [15, 30]),  # on all datasets
}
KEYS = ('model', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'load_from')


def header_of(path) -> str:
    """The comment at the top of a file, in one line."""
    lines = path.read_text().splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith('#'))
    return ' '.join(line.removeprefix('#').strip() for line in lines[:end])


def figures_of(header: str) -> list[float]:
    return [float(figure) for figure in re.findall(r'\b(\d\d\.\d\d) %', header)]


def processes_of(name: str) -> int:
    return int(re.search(r'_(\d+)xb\d+-', name)[1])


@functools.cache
def published() -> dict:
    """(table, database, row) -> accuracy in percent."""
    tables = Published.from_file(ROOT / 'configs' / 'apvit' / 'published.yml').tables
    return {
        (name.removeprefix('table'), database, row): figure
        for name, rows in tables.items()
        for row, columns in rows.items()
        for database, figure in columns.items()
        if database in variants('apvit').index.databases
    }


def data_of(cfg) -> tuple:
    dataset = unwrapped(cfg.train_dataloader.dataset)
    return dataset.type, cfg.model.head.get('num_classes')


def checkpoint_of(part) -> str | None:
    init_cfg = part.get('init_cfg') or {}
    return init_cfg.get('checkpoint') if init_cfg.get('type') == 'Pretrained' else None


def starts_of(cfg) -> dict:
    """Part of the model -> the file that it starts from; parts without one are left out."""
    if cfg.get('load_from'):
        return {'all': cfg.load_from}
    backbone = cfg.model.backbone
    parts = {'all': cfg.model, 'transformer': backbone, 'cnn': backbone.get('cnn') or {}}
    return {name: checkpoint_of(part) for name, part in parts.items() if checkpoint_of(part)}


def published_starts(cfg, without=frozenset()) -> dict:
    """What :func:`starts_of` a published model is, but for the parts that start from scratch."""
    if data_of(cfg)[0] == 'SFEW':
        return {'all': RAF_DB}
    starts = {'transformer': TRANSFORMERS[cfg.model.backbone.arch]}
    if cfg.model.backbone.get('cnn'):
        starts['cnn'] = CNN
    return {part: file for part, file in starts.items() if part not in without}


def schedule_of(cfg) -> tuple:
    optimizer, length, rate = cfg.optim_wrapper.optimizer, cfg.train_cfg, cfg.param_scheduler
    return (
        optimizer.lr,
        optimizer.weight_decay,
        length.get('max_epochs') or length.get('max_iters'),
        rate.get('milestones') or rate.get('T_max'),
    )


def complaints(header: str, cfg, processes: int = 1) -> list[str]:
    """Why a config with this header does not train what the figures in it were measured on."""
    found = []
    figures, tables = figures_of(header), re.findall(r'Table (\d+)', header)
    databases = {
        name
        for name, database in variants('apvit').index.databases.items()
        if data_of(cfg) == data_of(variants('apvit').read(database.config))
    }
    for figure in figures:
        cells = [key for key, value in published().items() if value == figure]
        if not any(table in tables and database in databases for table, database, _ in cells):
            found.append(f'{figure} is in none of Tables {tables} for {databases}')
    scratch = 'from scratch' in header
    expected = published_starts(cfg, WITHOUT['scratch'] if scratch else ())
    if starts_of(cfg) != expected:
        found.append(f'it starts from {starts_of(cfg)}, the figure from {expected}')
    if scratch and not any(
        row == 'scratch' and v in figures for (_, _, row), v in published().items()
    ):
        found.append('no figure from scratch')
    batch = processes * cfg.train_dataloader.batch_size
    wanted = BATCH[cfg.model.backbone.type]
    if not batch == wanted == cfg.auto_scale_lr.base_batch_size:
        found.append(f'a batch is {batch}, that of the figure {wanted}')
    backbone = cfg.model.backbone.type
    scheduled = SCHEDULES[backbone if backbone in SCHEDULES else data_of(cfg)[0]]
    if schedule_of(cfg) != scheduled:
        found.append(f'its schedule is {schedule_of(cfg)}, that of the figure {scheduled}')
    return found


WITH_A_FIGURE = [path for path in CONFIGS if figures_of(header_of(path))]


def test_many_headers_name_a_figure():
    assert len(WITH_A_FIGURE) >= 18
    assert {path.parent.name for path in WITH_A_FIGURE} == {'apvit', 'deit', 'transfer'}


@pytest.mark.parametrize('path', WITH_A_FIGURE, ids=lambda path: path.stem)
def test_a_config_trains_what_its_figure_was_measured_on(path):
    assert not complaints(header_of(path), read_config(path), processes_of(path.stem))


@pytest.mark.parametrize('path', WITH_A_FIGURE, ids=lambda path: path.stem)
def test_a_config_is_a_row_of_its_table(path):
    """But for how many processes share the batch."""
    known, cfg = variants('apvit'), read_config(path)
    processes = processes_of(path.stem)
    cfg.train_dataloader.batch_size *= processes
    rows = [
        known.config(database, row)
        for (table, database, row), figure in published().items()
        if figure in figures_of(header_of(path)) and f'Table {table}' in header_of(path)
    ]
    assert any(all(row.get(key) == cfg.get(key) for key in KEYS) for row in rows)


@pytest.mark.parametrize(
    ('name', 'change', 'complaint'),
    [
        ('deit-tiny_1xb128-40e_rafdb-224px', 'init_cfg', 'it starts from {}'),
        ('hybrid-deit-tiny_ir50_1xb128-40e_rafdb-112px', 'cnn', 'it starts from'),
        ('apvit-scratch_ir50-vit-small_1xb128-40e_rafdb-112px', 'header', 'it starts from {}'),
        ('apvit_ir50-vit-small_1xb128-40e_rafdb-112px', 'figure', '91.89 is in none'),
        ('apvit_ir50-vit-small_1xb128-40e_rafdb-112px', 'data', '91.98 is in none'),
        ('apvit_ir50-vit-small_1xb128-40e_rafdb-112px', 'scratch', 'the figure from {}'),
        ('transfer_ir50-vit-small_1xb64-40e_rafdb-112px', 'batch', 'a batch is 128'),
        ('transfer_ir50-vit-small_1xb64-40e_ferplus-112px', 'steps', 'its schedule is (0.001,'),
        ('deit-tiny_1xb128-40e_rafdb-224px', 'decay', 'its schedule is (0.001, 0.05,'),
    ],
)
def test_what_is_wrong_is_found(name, change, complaint):
    header, cfg = header_of(BY_NAME[name]), read_config(name)
    if change == 'init_cfg':
        cfg.model.backbone.init_cfg = None
    elif change == 'cnn':
        cfg.model.backbone.cnn.init_cfg = None
    elif change == 'header':
        header = header.replace(' from scratch', '')
    elif change == 'figure':
        header = header.replace('91.98', '91.89')
    elif change == 'data':
        unwrapped(cfg.train_dataloader.dataset).type = 'ExpW'
    elif change == 'steps':
        cfg.param_scheduler.milestones = [10, 30]
    elif change == 'decay':
        cfg.optim_wrapper.optimizer.weight_decay = 0.05
    elif change == 'scratch':
        header = f'{header} It trains from scratch.'
    elif change == 'batch':
        cfg.train_dataloader.batch_size = 128
    assert complaint in '\n'.join(complaints(header, cfg))


def test_every_published_row_starts_from_what_the_paper_names():
    """Rows that are no file, too."""
    known = variants('apvit')
    for (table, database, row), _ in published().items():
        cfg = known.config(database, row)
        assert starts_of(cfg) == published_starts(cfg, WITHOUT.get(row, ())), (table, row)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_of_real_data_without_weights_says_so(path):
    cfg = read_config(path)
    if data_of(cfg)[0] != 'SynthFace' and not starts_of(cfg):
        assert 'from scratch' in header_of(path)
