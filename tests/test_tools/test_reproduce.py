# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv

import pytest
from mmengine.config import Config
from tool_calls import run_tool


@pytest.fixture
def run(tmp_path):
    def _run(*arguments):
        return run_tool('reproduce.py', *arguments, '--work-dir', tmp_path / 'work')

    return _run


def test_list(run):
    result = run('--list')
    assert result.returncode == 0, result.stderr
    names = [line.split()[1] for line in result.stdout.splitlines()[2:]]
    figures = [f'figure{n}' for n in (1, 5, 6, 7)]
    assert names[:20] == [f'table{n}' for n in range(1, 16)] + ['cnn', *figures]
    others = ['kt-table5-priors', 'kt-priors', 'kt-table6']
    figures = [f'kt-figure{n}' for n in (2, 6, 7)]
    assert names[20:] == [f'kt-table{n}' for n in range(1, 6)] + others + figures


def test_list_of_stand_ins(run):
    done = run('--list', '--data', 'ferplus-small')
    assert done.returncode == 0, done.stderr
    assert 'table1 ' in done.stdout and 'kt-table4' in done.stdout
    assert 'kt-table1' not in done.stdout, 'it needs CFP, for which nothing stands in'


def test_plan(run, tmp_path):
    result = run('table1', '--data', 'synth', '--seeds', 3, '--plan')
    assert result.returncode == 0, result.stderr
    # The initial weights of all, and six rows with three seeds.
    assert len(result.stdout.splitlines()) == 1 + 1 + 18
    assert not (tmp_path / 'work').exists()


def test_seeds_divided_between_machines(run):
    together, *parts = (
        run('table1', '--data', 'synth', *seeds, '--plan').stdout.splitlines()[1:]
        for seeds in (('--seeds', 3), ('--seeds', 2), ('--seeds', 1, '--first-seed', 2))
    )
    # Only the initial weights are trained on both.
    assert {*parts[0]} | {*parts[1]} == {*together} and len({*parts[0]} & {*parts[1]}) == 1
    result = run('table1', '--data', 'synth', '--first-seed', -1, '--plan')
    assert result.returncode == 2 and '--first-seed' in result.stderr


def test_rows_of_the_kt_adapter_share_their_baselines(run):
    result = run('kt-table1', 'kt-table3', '--data', 'synth', '--plan')
    assert result.returncode == 0, result.stderr
    one, other = (part.splitlines()[1:] for part in result.stdout.split('kt-table')[1:])
    # Four baselines of each of three encoders, and nine adapters.
    assert len(one) == len(other) == 21 and len({*one, *other}) == 12 + 18


def test_a_row_with_given_baselines(run, tmp_path):
    tasks = ('expression', 'landmarks', 'recognition')
    given = [f'C/synthface-{task}-64px={tmp_path / "c.pth"}' for task in tasks]
    given.append(f'M/synthface-age-64px={tmp_path / "m.pth"}')
    words = ('kt-table3/C to M', '--data', 'synth', '--weights', *given)
    result = run(*words, '--plan')
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [*['trained'] * 4, '-']
    # They must exist before anything is trained.
    result = run(*words)
    assert result.returncode == 2 and str(tmp_path / 'c.pth') in result.stderr
    result = run('kt-table3', '--data', 'synth', '--weights', 'D/synthface-age-64px=x')
    assert result.returncode == 2 and 'VARIANT/DATABASE=FILE' in result.stderr


def test_costs_need_no_data(run, tmp_path):
    result = run('table13', 'table14')
    assert result.returncode == 0, result.stderr
    for table, expected in (
        ('table13', {'transfer': 15.30, 'apvit': 12.67, 'k10-r06': 5.89}),
        ('table14', {'deit-tiny': 1.26, 'deit-tiny-atp': 0.96, 'hybrid-deit-tiny': 6.72}),
    ):
        with open(tmp_path / 'work/paper' / f'{table}.csv') as file:
            rows = {row['row']: row for row in csv.DictReader(file) if row['column'] == 'GFLOPs'}
        for row, value in expected.items():
            assert float(rows[row]['paper']) == value
            assert float(rows[row]['mean']) == pytest.approx(value, abs=0.005), row


@pytest.mark.parametrize(
    ('arguments', 'code', 'said'),
    [
        (['table99'], 2, "'table99'"),
        (['table5'], 2, '--data-root DIR, or --data synth'),
        (['table5', '--data-root', 'nowhere'], 2, 'RAF-DB: no folder '),
        (['table5', '--data-root', 'RAFDB=x'], 2, '--data-root RAFDB=x: '),
        (['table5', '--data', 'synth', '--data-root', 'x'], 2, 'takes no --data-root'),
        (['table5', '--data', 'synth', '--protocol', 'leak-free'], 2, 'is for --data paper'),
        (['table5', '--data', 'paper-64px', '--data-root', '.'], 2, 'no databases'),
        (['table1', '--databases', 'RAF-DB', 'Affectnet', '--plan'], 2, "'Affectnet' is not one"),
        (['cnn/plain-cnn', '--no-train'], 2, 'no rows for cnn-plain-cnn'),
        (['kt-table6', '--data', 'paper-64px', '--plan'], 2, 'no rows for kt-table6'),
        (['table1', '--cfg-options', 'lr'], 2, 'write KEY=VALUE'),
        (['--print', 'kt-table5/best to M'], 2, 'best of several rows'),
        (['kt-table9'], 2, "'kt-table9'"),
        (['kt-table3/T to M', '--data', 'synth'], 2, "row 'T to M' "),
        ([], 2, 'name an experiment'),
        (['--print', 'table5/9'], 2, "table5: row '9' "),
        (['--print', 'kt_adapter/dn'], 2, "variant 'dn' "),
        (
            ['--print', 'transfer', '--databases', 'SFEW'],
            2,
            'must be one of RAF-DB, AffectNet, FERPlus, SynthFace',
        ),
        (['--print', 'app', '--databases', 'SFEW', 'ExpW'], 2, 'got SFEW, ExpW'),
    ],
)
def test_errors(run, arguments, code, said):
    result = run(*arguments)
    assert result.returncode == code and said in result.stderr
    assert 'Traceback' not in result.stderr


@pytest.mark.parametrize(
    ('arguments', 'name', 'value'),
    [
        (['table5/3'], 'model.backbone.app.criterion', 'sum'),
        (['table5/app-sum'], 'model.backbone.app.criterion', 'sum'),
        (['apvit/app-sum', '--databases', 'ExpW'], 'model.backbone.app.keep_num', 80),
        (['k80', '--data', 'synth'], 'model.backbone.app.keep_num', 26),
        (['app', '--cfg-options', 'train_cfg.max_epochs=3'], 'train_cfg.max_epochs', 3),
        (['kt-table6/1'], 'model.neck.drop_mask', False),
        (['kt-table3/M to M', '--data', 'synth'], 'train_cfg.max_epochs', 5),
        (['M to M, no priors', '--databases', 'cfp-224px'], 'model.num_priors', 0),
        (
            ['kt_adapter/swin-base-to-mobileone-s0'],
            'model.priors.age.backbone.type',
            'SwinTransformer',
        ),
    ],
)
def test_print(run, tmp_path, arguments, name, value):
    done = run('--print', *arguments)
    assert done.returncode == 0, done.stderr
    (tmp_path / 'row.py').write_text(done.stdout)
    cfg = Config.fromfile(tmp_path / 'row.py')
    for key in name.split('.'):
        cfg = cfg[key]
    assert cfg == value
    assert not (tmp_path / 'work').exists()


def test_a_small_row_of_the_kt_adapter_end_to_end(run, tmp_path):
    """A baseline, and an adapter with cached tokens of one prior: only that it runs."""
    options = [f'{part}_dataloader.dataset.num_samples=32' for part in ('train', 'val', 'test')]
    settings = ['--data', 'synth', '--select', 'best', '--adapter-options', 'model.num_priors=1']
    settings += ['--cfg-options', *options, 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    result = run('kt-table3/C to M', *settings)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / 'work/synth'
    text = (folder / 'kt-table3-C-to-M-best.md').read_text()
    assert '66.85' not in text and 'model.num_priors' in text and 'best age/mae' in text
    (row,) = folder.glob('synthface-age-64px/convnext-v2-micro-to-mobileone-micro/seed0')
    assert (row / 'prior_tokens' / 'tokens.npy').is_file()
    assert (row / 'best' / 'metrics.json').is_file()
    assert len([*folder.glob('*/*/seed0')]) == 3


@pytest.mark.parametrize(
    'arguments',
    [('table5/5', '--data', 'synth'), ('kt_adapter/cm-pe', '--databases', 'synthface-age-64px')],
)
def test_printed_configs_can_be_trained(run, tmp_path, arguments):
    config = tmp_path / 'row.py'
    config.write_text(run('--print', *arguments).stdout)
    cfg = Config.fromfile(config)
    options = [f'{part}_dataloader.dataset.num_samples=32' for part in ('train', 'val', 'test')]
    # Its initial weights have not been trained.
    model = cfg.model
    if model.type == 'FaceAnalyzer':
        options += ['model.init_cfg=None', 'model.num_priors=0']
    else:
        options += ['model.backbone.init_cfg=None', 'model.backbone.cnn.init_cfg=None']
    options += ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()


def test_a_small_table_end_to_end(run, tmp_path):
    """Three steps of each training, on few images: only that it runs, not its accuracy."""
    options = [f'{part}_dataloader.dataset.num_samples=42' for part in ('train', 'val', 'test')]
    settings = ('--data', 'synth', '--cfg-options', *options, 'train_cfg.max_epochs=1')
    result = run('figure7', *settings)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / 'work/synth'
    assert (folder / 'figure7.png').stat().st_size > 10_000
    assert 'SynthFace' in (folder / 'figure7.md').read_text()
    again = run('figure7', *settings)
    assert '] train ' not in again.stdout and again.returncode == 0
    # Runs with other settings are not mixed with it.
    other = run('figure7', *settings, 'train_dataloader.batch_size=8')
    assert other.returncode == 1 and 'batch_size=8' in other.stderr
